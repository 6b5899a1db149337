/** The page: puts the views and a machine together. Everything about the machine goes through `api.ts`. */

import { createMachine, type MachineState, type MachineStats, type TabvisorMachine } from './api';
import { byId, icon, size, within, words } from './page/dom';
import { MachineDialog } from './page/dialog';
import { setUpDrop } from './page/drop';
import { FiguresView } from './page/figures';
import { FilesView } from './page/files';
import {
  defaultChoice,
  describe,
  findDebian,
  imageName,
  toOptions,
  type Choice,
  type ServedGuest,
} from './page/guests';
import { readParams, type PageParams } from './page/params';
import { ProfileKeeper } from './page/profiles';
import { TerminalView } from './page/terminal';
import { setUpTheme } from './page/theme';
import './page/style.css';

/** What scripts beside the page, its tests among them, may use. */
export interface TabvisorPage {
  /** The machine shown; absent while one is being made. */
  readonly machine: TabvisorMachine | undefined;
  /** The latest console output as text, up to a bound. */
  outputText(): string;
}

declare global {
  interface Window {
    tabvisor?: TabvisorPage;
  }
}

/** Time that a guest of the person's own may work without printing anything before the page wonders. */
const SILENCE_MS = 6000;

/** Time between two looks at what has been fetched. */
const PROGRESS_EVERY_MS = 100;

/** Characters of console output kept for `outputText`. */
const LOG_LENGTH = 1 << 18;

type Shown = MachineState | { readonly kind: 'loading'; readonly what: string };

class Page implements TabvisorPage {
  machine: TabvisorMachine | undefined;

  readonly #terminal = new TerminalView();
  readonly #figures = new FiguresView();
  readonly #files = new FilesView();
  readonly #profiles = new ProfileKeeper();
  readonly #dialog = new MachineDialog();
  readonly #run = byId('run', HTMLButtonElement);
  readonly #reset = byId('reset', HTMLButtonElement);
  readonly #powerOff = byId('power-off', HTMLButtonElement);
  readonly #configure = byId('configure', HTMLButtonElement);
  readonly #stateLine = byId('state', HTMLElement);
  readonly #notice = byId('notice', HTMLElement);
  readonly #progress = byId('progress', HTMLElement);
  #choice: Choice = defaultChoice({ autostart: true, profile: true, words: {} }, undefined);
  #state: Shown = { kind: 'loading', what: 'Loading…' };
  #debian: ServedGuest | undefined;
  /** Counts the machines made, so that a late answer about an old one is not taken for the new one's. */
  #generation = 0;
  #log = '';
  #wondered = false;
  /** When progress may be shown again. */
  #progressNext = 0;
  #decoder = new TextDecoder();

  constructor() {
    this.#run.addEventListener('click', () => void this.#runPressed());
    this.#reset.addEventListener('click', () => void this.#attempt((machine) => machine.reset()));
    this.#powerOff.addEventListener('click', () => void this.#attempt((machine) => machine.powerOff()));
    this.#configure.addEventListener('click', () => this.#dialog.show(this.#choice));
    within(this.#notice, 'button', HTMLButtonElement).addEventListener('click', () => {
      this.#say(undefined);
      this.#terminal.focus();
    });
    this.#terminal.onInput = (input) => this.machine?.send(input);
    this.#terminal.onResize = (cols, rows) => this.machine?.resize(cols, rows);
    this.#files.onError = (message) => this.#say(message);
    this.#dialog.onStart = (choice) => void this.#build(choice, true);
    setUpDrop({
      enabled: () => !this.#dialog.open,
      image: (role, file) => this.#dialog.showWith(role, file, this.#choice),
      share: (files) => void this.#files.upload(files),
    });
    addEventListener('keydown', (event) => this.#moveOn(event));
    this.#show(this.#state);
  }

  outputText(): string {
    return this.#log;
  }

  /** Makes the first machine, from the link's parameters and what the server has. */
  async open(query: string): Promise<void> {
    const debian = await findDebian();
    this.#debian = debian;
    this.#dialog.setDebian(debian);
    let params: PageParams;
    try {
      params = readParams(query);
    } catch (error) {
      this.#fail(words(error));
      return;
    }
    if (params.guest === 'debian' && !debian) {
      this.#fail(
        'This server does not have the Debian guest. \u201ctabvisor guest fetch\u201d gets it; the monitor is built in.',
      );
      return;
    }
    await this.#build(defaultChoice(params, debian), params.autostart);
  }

  async #build(choice: Choice, start: boolean): Promise<void> {
    const generation = ++this.#generation;
    this.machine?.dispose();
    this.#use(undefined);
    this.#choice = choice;
    this.#log = '';
    this.#wondered = false;
    this.#decoder = new TextDecoder();
    this.#terminal.clear();
    this.#figures.clear();
    this.#say(undefined);
    this.#show({ kind: 'loading', what: 'Loading…' });
    byId('guest-name', HTMLElement).textContent = describe(choice);
    try {
      const options = toOptions(choice, this.#debian);
      const machine = await createMachine({
        ...options,
        append: this.#withTerminalSize(choice, options.append ?? ''),
        onProgress: (name, loaded, total) => {
          if (generation === this.#generation) this.#showProgress(name, loaded, total);
        },
      });
      if (generation !== this.#generation) {
        machine.dispose();
        return;
      }
      await this.#profiles.watch(choice.profile ? machine : undefined);
      if (generation !== this.#generation) {
        machine.dispose();
        return;
      }
      this.#use(machine);
      if (start) await machine.start();
    } catch (error) {
      if (generation === this.#generation) this.#fail(words(error));
    } finally {
      if (generation === this.#generation) this.#progress.hidden = true;
    }
  }

  /** A serial line cannot tell Linux how big the terminal is: its first process reads that from its environment. */
  #withTerminalSize(choice: Choice, append: string): string {
    if (choice.guest === 'monitor') return append;
    return `${append} TERM=xterm-256color LINES=${this.#terminal.rows} COLUMNS=${this.#terminal.cols}`;
  }

  #use(machine: TabvisorMachine | undefined): void {
    this.machine = machine;
    this.#files.setMachine(machine);
    if (!machine) return;
    machine.onOutput((bytes) => {
      this.#log = (this.#log + this.#decoder.decode(bytes, { stream: true })).slice(-LOG_LENGTH);
      return this.#terminal.write(bytes);
    });
    machine.onState((state) => this.#show(state));
    machine.onStats((stats) => {
      this.#figures.add(stats);
      if (document.visibilityState === 'visible') void this.#files.refresh();
      this.#wonder(stats);
    });
    machine.onPanic((reason) =>
      this.#say(
        `The guest\u2019s kernel has panicked: ${reason.replace(/^Kernel panic - not syncing:\s*/, '')}`,
      ),
    );
    machine.resize(this.#terminal.cols, this.#terminal.rows);
    this.#show(machine.state);
    if (!this.#dialog.open && matchMedia('(pointer: fine)').matches) this.#terminal.focus();
  }

  /** A file that is no kernel can only be told by its silence: any bytes may be somebody's raw kernel. */
  #wonder(stats: MachineStats): void {
    const { kernel, guest } = this.#choice;
    if (guest !== 'custom' || this.#wondered || this.#log !== '' || stats.guestMs < SILENCE_MS) return;
    this.#wondered = true;
    this.#say(
      `${imageName(kernel)} has been running for ${Math.round(stats.guestMs / 1000)} seconds without printing anything. ` +
        'Is it a kernel for 64-bit RISC-V, and does its command line name a console?',
    );
  }

  async #runPressed(): Promise<void> {
    if (this.#state.kind === 'running') await this.#attempt((machine) => machine.pause());
    else if (this.#state.kind === 'failed') await this.#build(this.#choice, true);
    else await this.#attempt((machine) => machine.start());
  }

  async #attempt(action: (machine: TabvisorMachine) => Promise<void>): Promise<void> {
    const machine = this.machine;
    if (!machine) return;
    this.#say(undefined);
    try {
      await action(machine);
    } catch (error) {
      if (machine === this.machine) this.#say(words(error));
    }
  }

  #show(state: Shown): void {
    this.#state = state;
    const { kind } = state;
    this.#stateLine.dataset['state'] = kind;
    within(this.#stateLine, 'span', HTMLElement).textContent = stateWords(state);
    const [picture, label] = ({ running: ['pause', 'Pause'], paused: ['play', 'Resume'] } as const)[
      kind as string
    ] ?? ['play', 'Start'];
    this.#run.replaceChildren(icon(picture), label);
    // A disabled button would lose the keyboard's place.
    this.#run.disabled = kind === 'loading';
    this.#reset.disabled = kind === 'loading' || kind === 'failed';
    this.#powerOff.disabled = kind !== 'running' && kind !== 'paused';
    if (kind === 'failed') this.#say(state.message);
    if (kind === 'off' && state.code !== 0)
      this.#say(`The guest stopped and reported failure code ${state.code}.`);
    document.title = kind === 'running' ? 'Tabvisor' : `${stateWords(state)} · Tabvisor`;
  }

  #fail(message: string): void {
    this.#show({ kind: 'failed', message });
  }

  /** Shows a message that needs attention, or takes the last one away. */
  #say(message: string | undefined): void {
    this.#notice.hidden = message === undefined;
    within(this.#notice, 'p', HTMLElement).textContent = message ?? '';
  }

  #showProgress(name: string, loaded: number, total: number): void {
    const now = performance.now();
    if (now < this.#progressNext) return;
    this.#progressNext = now + PROGRESS_EVERY_MS;
    const bar = byId('progress-bar', HTMLProgressElement);
    this.#progress.hidden = false;
    const text = total > 0 ? `${size(loaded)} of ${size(total)}` : size(loaded);
    within(this.#progress, 'label', HTMLElement).textContent = `Fetching the ${name}: ${text}`;
    if (total > 0) bar.value = loaded / total;
    else bar.removeAttribute('value');
  }

  /** F6 goes round the parts of the page, out of the terminal as well; Shift+F6 the other way. */
  #moveOn(event: KeyboardEvent): void {
    if (event.key !== 'F6' || event.ctrlKey || event.altKey || event.metaKey || this.#dialog.open) return;
    event.preventDefault();
    const stops: [part: HTMLElement, focus: () => void][] = [
      [byId('toolbar', HTMLElement), () => (this.#run.disabled ? this.#configure : this.#run).focus()],
      [byId('terminal', HTMLElement), () => this.#terminal.focus()],
      [byId('panel', HTMLElement), () => byId('panel', HTMLElement).focus()],
    ];
    const at = stops.findIndex(([part]) => part.contains(document.activeElement));
    const step = event.shiftKey ? -1 : 1;
    // From outside all of them the terminal is the place to go.
    const next = at < 0 ? 1 : (at + step + stops.length) % stops.length;
    stops[next]?.[1]();
  }
}

function stateWords(state: Shown): string {
  switch (state.kind) {
    case 'loading':
      return state.what;
    case 'ready':
      return 'Ready';
    case 'running':
      return 'Running';
    case 'paused':
      return 'Paused';
    case 'off':
      return state.code === 0 ? 'Powered off' : `Stopped, code ${state.code}`;
    case 'failed':
      return 'Failed';
  }
}

setUpTheme();
const page = new Page();
window.tabvisor = page;
void page.open(location.search);
