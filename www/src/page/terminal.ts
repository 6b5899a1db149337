/** The terminal: xterm.js with the page's colours, floods of output drawn seldom, and keys for touch screens. */

import { FitAddon } from '@xterm/addon-fit';
import { Terminal, type ITheme } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { byId, make } from './dom';
import { colour, currentTheme, onThemeChange, remember, remembered } from './theme';

const READ_ALOUD_KEY = 'tabvisor.read-aloud';
/** What F6 sends when it is meant for the guest. */
const F6 = '\x1b[17~';
/**
 * Drawing output costs the guest its time, so no more of it than this is spent on that: the next drawing waits for as
 * many times as long as the last ones took. More after a key, until the screen has answered it.
 */
const SHARE = { quiet: 0.03, answering: 0.3 } as const;
/** Least and longest time between two drawings. */
const PAUSE_MS = { min: 10, max: 200 } as const;
/** For so long after a key output is taken for the answer. */
const ANSWER_MS = 1000;

const ANSI: Record<'light' | 'dark', ITheme> = {
  light: {
    black: '#23282b',
    red: '#a8322a',
    green: '#2f7a3e',
    yellow: '#8a6100',
    blue: '#2d5fa8',
    magenta: '#8a3f8f',
    cyan: '#1b7480',
    white: '#6d7275',
    brightBlack: '#585f63',
    brightRed: '#c0443a',
    brightGreen: '#3c8f4d',
    brightYellow: '#9c7000',
    brightBlue: '#3f74c4',
    brightMagenta: '#a152a6',
    brightCyan: '#268897',
    brightWhite: '#23282b',
  },
  dark: {
    black: '#2b3036',
    red: '#ec7f73',
    green: '#86c58a',
    yellow: '#dcb667',
    blue: '#7fb0e8',
    magenta: '#cf96d3',
    cyan: '#72c6c9',
    white: '#d5d8d6',
    brightBlack: '#7d868b',
    brightRed: '#f59c92',
    brightGreen: '#a3dba6',
    brightYellow: '#ecce8c',
    brightBlue: '#a2c8f3',
    brightMagenta: '#e0b3e3',
    brightCyan: '#97dcde',
    brightWhite: '#f3f5f4',
  },
};

export class TerminalView {
  /** Called with what the person types or pastes. */
  onInput: (input: string) => void = () => {};
  onResize: (cols: number, rows: number) => void = () => {};

  readonly #host = byId('terminal', HTMLElement);
  readonly #fit = new FitAddon();
  readonly #xterm: Terminal;
  #pending: Uint8Array[] = [];
  #drawn: (() => void)[] = [];
  /** When output may be drawn again. */
  #drawNext = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What drawing took of late, in milliseconds. */
  #cost: number = PAUSE_MS.min;
  /** Whether that is being measured. */
  #measuring = false;
  #lastInput = -ANSWER_MS;
  readonly #painted = new MessageChannel();
  #control: HTMLButtonElement | undefined;

  constructor() {
    this.#xterm = new Terminal({
      fontFamily: getComputedStyle(document.documentElement).getPropertyValue('--mono'),
      fontSize: matchMedia('(max-width: 760px)').matches ? 12 : 14,
      lineHeight: 1.15,
      cursorBlink: false,
      scrollback: 5000,
      screenReaderMode: remembered(READ_ALOUD_KEY) === 'yes',
      theme: this.#theme(),
    });
    this.#xterm.loadAddon(this.#fit);
    this.#xterm.open(this.#host);
    this.#xterm.textarea?.setAttribute('aria-label', 'Guest console. F6 leaves it.');
    this.#xterm.onData((data) => this.#input(this.#withControl(data)));
    this.#xterm.onBinary((data) => this.#input(data));
    this.#xterm.onResize(({ cols, rows }) => this.onResize(cols, rows));
    this.#xterm.attachCustomKeyEventHandler((event) => this.#key(event));
    new ResizeObserver(() => this.#fit.fit()).observe(this.#host);
    this.#fit.fit();
    onThemeChange(() => (this.#xterm.options.theme = this.#theme()));
    this.#makeKeys();
    this.#makeReadAloud();
  }

  get cols(): number {
    return this.#xterm.cols;
  }

  get rows(): number {
    return this.#xterm.rows;
  }

  focus(): void {
    this.#xterm.focus();
  }

  /** Empties the screen for another machine. */
  clear(): void {
    this.#pending = [];
    this.#xterm.reset();
  }

  /**
   * Shows output, with everything else that arrives before the next drawing is due; resolves when it has been taken
   * in.
   */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#drawn.push(resolve);
      this.#pending.push(bytes);
      if (this.#pending.length === 1) this.#schedule();
    });
  }

  /** Draws when that is due. */
  #schedule(): void {
    clearTimeout(this.#timer);
    const pause = this.#drawNext - performance.now();
    if (pause > 0) this.#timer = setTimeout(() => this.#flush(), pause);
    else this.#flush();
  }

  #flush(): void {
    const chunks = this.#pending;
    const drawn = this.#drawn;
    this.#pending = [];
    this.#drawn = [];
    const now = performance.now();
    const share = now - this.#lastInput < ANSWER_MS ? SHARE.answering : SHARE.quiet;
    this.#drawNext = now + Math.min(PAUSE_MS.max, Math.max(PAUSE_MS.min, this.#cost / share));
    for (const chunk of chunks) this.#xterm.write(chunk);
    this.#xterm.write('', () => {
      this.#measure();
      drawn.forEach((resolve) => resolve());
    });
  }

  /** Measures what the next frame takes, which shows the output: until a message that is sent in it has arrived. */
  #measure(): void {
    if (this.#measuring) return;
    this.#measuring = true;
    requestAnimationFrame((began) => {
      this.#painted.port1.onmessage = () => {
        this.#measuring = false;
        this.#cost += (performance.now() - began - this.#cost) / 4;
      };
      this.#painted.port2.postMessage(undefined);
    });
  }

  #input(input: string): void {
    this.#lastInput = performance.now();
    // The answer is not to wait for what was drawn before.
    this.#drawNext = Math.min(this.#drawNext, this.#lastInput + PAUSE_MS.min);
    if (this.#pending.length > 0) this.#schedule();
    this.onInput(input);
  }

  #theme(): ITheme {
    const text = colour('--text');
    return {
      ...ANSI[currentTheme()],
      background: colour('--term-bg'),
      foreground: text,
      cursor: colour('--accent'),
      cursorAccent: colour('--term-bg'),
      selectionBackground: colour('--accent-soft'),
      scrollbarSliderBackground: '#8886',
      scrollbarSliderHoverBackground: '#888a',
    };
  }

  /** Whether xterm.js should handle the key. */
  #key(event: KeyboardEvent): boolean {
    if (event.type !== 'keydown') return true;
    if (event.key === 'F6') {
      // Plain F6 moves on to the next part of the page; the page sees to that.
      if (event.ctrlKey) {
        event.preventDefault();
        event.stopPropagation();
        this.#input(F6);
      }
      return false;
    }
    if (event.ctrlKey && event.shiftKey && event.code === 'KeyC' && this.#xterm.hasSelection()) {
      event.preventDefault();
      void navigator.clipboard?.writeText(this.#xterm.getSelection());
      return false;
    }
    return true;
  }

  /** Turns the next letter into its control character when the touch Ctrl key is down. */
  #withControl(data: string): string {
    if (this.#control?.getAttribute('aria-pressed') !== 'true' || data.length !== 1) return data;
    this.#control.setAttribute('aria-pressed', 'false');
    const code = data.toUpperCase().charCodeAt(0);
    return code >= 0x40 && code < 0x60 ? String.fromCharCode(code & 0x1f) : data;
  }

  #makeKeys(): void {
    const keys: [label: string, name: string, sends: string][] = [
      ['Esc', 'Escape', '\x1b'],
      ['Tab', 'Tab', '\t'],
      ['Ctrl', 'Control, for the next letter', ''],
      ['←', 'Left', '\x1b[D'],
      ['↑', 'Up', '\x1b[A'],
      ['↓', 'Down', '\x1b[B'],
      ['→', 'Right', '\x1b[C'],
    ];
    const bar = byId('keys', HTMLElement);
    for (const [label, name, sends] of keys) {
      const button = make('button', { type: 'button', textContent: label, ariaLabel: name });
      // Keeps the touch keyboard open.
      button.addEventListener('pointerdown', (event) => event.preventDefault());
      if (sends === '') {
        button.setAttribute('aria-pressed', 'false');
        this.#control = button;
      }
      button.addEventListener('click', () => {
        if (sends === '')
          button.setAttribute('aria-pressed', String(button.getAttribute('aria-pressed') !== 'true'));
        else this.#input(sends);
        this.focus();
      });
      bar.append(button);
    }
  }

  #makeReadAloud(): void {
    const box = byId('read-aloud', HTMLInputElement);
    box.checked = this.#xterm.options.screenReaderMode === true;
    box.addEventListener('change', () => {
      this.#xterm.options.screenReaderMode = box.checked;
      remember(READ_ALOUD_KEY, box.checked ? 'yes' : 'no');
    });
  }
}
