/** The form in which a machine is put together. */

import { HARTS, MEMORY_MIB, isEngine, type EngineName } from '../api';
import type { Words } from '../protocol';
import { byId, icon, make, size, within, words } from './dom';
import { defaultAppend, toOptions, type Choice, type ServedGuest } from './guests';
import type { GuestName } from './params';

export type ImageRole = 'kernel' | 'initrd' | 'disk';

const CAPTIONS: Record<ImageRole, [title: string, empty: string]> = {
  kernel: ['Kernel', 'Image or ELF, may be compressed'],
  initrd: ['Initrd', 'None'],
  disk: ['Disk image', 'None'],
};

/** One file of the machine: a button to choose it, a place to drop it on. */
class ImageSlot {
  file: File | undefined;
  readonly #chosen = make('span', { className: 'chosen' });
  readonly #clear: HTMLButtonElement;
  readonly #empty: string;
  readonly #onChange: () => void;

  constructor(host: HTMLElement, role: ImageRole, onChange: () => void) {
    const [title, empty] = CAPTIONS[role];
    this.#empty = empty;
    this.#onChange = onChange;
    const input = make('input', { type: 'file', hidden: true, ariaLabel: `${title} file` });
    const choose = make('button', {
      type: 'button',
      textContent: 'Choose…',
      ariaLabel: `Choose ${title.toLowerCase()}`,
    });
    this.#clear = make(
      'button',
      { type: 'button', className: 'quiet', ariaLabel: `Remove ${title.toLowerCase()}` },
      icon('close'),
    );
    const slot = make('div', { className: 'slot' }, choose, this.#chosen, this.#clear, input);
    host.append(make('span', { className: 'caption', textContent: title }), slot);
    choose.addEventListener('click', () => input.click());
    input.addEventListener('change', () => {
      this.set(input.files?.[0]);
      input.value = '';
    });
    this.#clear.addEventListener('click', () => {
      this.set(undefined);
      choose.focus();
    });
    for (const type of ['dragenter', 'dragover'] as const) {
      host.addEventListener(type, (event) => {
        event.preventDefault();
        host.classList.add('over');
      });
    }
    host.addEventListener('dragleave', () => host.classList.remove('over'));
    host.addEventListener('drop', (event) => {
      event.preventDefault();
      host.classList.remove('over');
      this.set(event.dataTransfer?.files[0]);
    });
    this.#show();
  }

  set(file: File | undefined): void {
    this.file = file;
    this.#show();
    this.#onChange();
  }

  #show(): void {
    this.#clear.hidden = !this.file;
    this.#chosen.textContent = this.file ? `${this.file.name} · ${size(this.file.size)}` : this.#empty;
    this.#chosen.toggleAttribute('data-set', this.file !== undefined);
  }
}

export class MachineDialog {
  /** Called with what was chosen when the person starts it. */
  onStart: (choice: Choice) => void = () => {};

  readonly #dialog = byId('machine', HTMLDialogElement);
  readonly #form = within(this.#dialog, 'form', HTMLFormElement);
  readonly #memory = byId('memory', HTMLInputElement);
  readonly #harts = byId('harts', HTMLInputElement);
  readonly #engine = byId('engine', HTMLSelectElement);
  readonly #profile = byId('profile', HTMLInputElement);
  readonly #append = byId('append', HTMLInputElement);
  readonly #error = byId('machine-error', HTMLElement);
  readonly #own = byId('own-files', HTMLElement);
  readonly #slots: Record<ImageRole, ImageSlot>;

  #debian: ServedGuest | undefined;
  /** What the form has no field for, but a link may have asked for. */
  #words: Words = {};

  constructor() {
    const slot = (role: ImageRole): ImageSlot =>
      new ImageSlot(within(this.#dialog, `.image[data-role=${role}]`, HTMLElement), role, () =>
        this.#fail(undefined),
      );
    this.#slots = { kernel: slot('kernel'), initrd: slot('initrd'), disk: slot('disk') };
    byId('machine-close', HTMLButtonElement).addEventListener('click', () => this.#dialog.close());
    this.#form.addEventListener('change', (event) => {
      if (event.target instanceof HTMLInputElement && event.target.name === 'guest') this.#guestChanged();
    });
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#memory.min = String(MEMORY_MIB.min);
    this.#memory.max = String(MEMORY_MIB.max);
    this.#harts.max = String(HARTS.max);
  }

  get open(): boolean {
    return this.#dialog.open;
  }

  /** Says whether Debian can be chosen. */
  setDebian(served: ServedGuest | undefined): void {
    this.#debian = served;
    const radio = within(this.#form, 'input[value=debian]', HTMLInputElement);
    radio.disabled = !served;
    if (radio.parentElement) {
      radio.parentElement.title = served
        ? ''
        : 'This server does not have it; \u201ctabvisor guest fetch\u201d gets it';
    }
  }

  show(choice: Choice): void {
    this.#fill(choice);
    this.#dialog.showModal();
  }

  /** Opens the form with a file put in its place. */
  showWith(role: ImageRole, file: File, choice: Choice): void {
    if (!this.#dialog.open) this.#fill(choice);
    this.#slots[role].set(file);
    if (role !== 'disk') {
      this.#guest = 'custom';
      this.#guestChanged();
    }
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  get #guest(): GuestName {
    const value = new FormData(this.#form).get('guest');
    return value === 'debian' || value === 'monitor' ? value : 'custom';
  }

  set #guest(guest: GuestName) {
    within(this.#form, `input[value=${guest}]`, HTMLInputElement).checked = true;
  }

  get #chosenEngine(): EngineName {
    const { value } = this.#engine;
    return isEngine(value) ? value : 'auto';
  }

  #fill(choice: Choice): void {
    this.#guest = choice.guest;
    this.#memory.value = String(choice.memoryMiB);
    this.#harts.value = String(choice.harts);
    this.#engine.value = choice.engine;
    this.#words = choice.words;
    this.#profile.checked = choice.profile;
    this.#append.value = choice.append;
    this.#own.hidden = choice.guest !== 'custom';
    this.#fail(undefined);
  }

  #guestChanged(): void {
    const guest = this.#guest;
    this.#own.hidden = guest !== 'custom';
    this.#append.value = defaultAppend(guest, this.#debian);
    this.#fail(undefined);
  }

  #submit(): void {
    for (const input of [this.#memory, this.#harts]) {
      if (input.checkValidity()) continue;
      const name = input === this.#memory ? 'Memory' : 'Processors';
      this.#fail(`${name}: a whole number from ${input.min} to ${input.max}, please.`, input);
      return;
    }
    const guest = this.#guest;
    const choice: Choice = {
      guest,
      append: this.#append.value,
      memoryMiB: this.#memory.valueAsNumber,
      harts: this.#harts.valueAsNumber,
      engine: this.#chosenEngine,
      profile: this.#profile.checked,
      words: this.#words,
    };
    const { kernel, initrd, disk } = this.#slots;
    if (guest === 'custom' && kernel.file) choice.kernel = kernel.file;
    if (guest === 'custom' && initrd.file) choice.initrd = initrd.file;
    if (disk.file) choice.disk = disk.file;
    try {
      toOptions(choice, this.#debian);
    } catch (error) {
      this.#fail(words(error));
      return;
    }
    this.#dialog.close();
    this.onStart(choice);
  }

  #fail(message: string | undefined, field?: HTMLInputElement): void {
    this.#error.hidden = message === undefined;
    this.#error.textContent = message ?? '';
    for (const input of [this.#memory, this.#harts]) input.toggleAttribute('aria-invalid', input === field);
    field?.focus();
  }
}
