/** Watches console output for a Linux kernel's last words, across the borders of chunks. */

const MARK = 'Kernel panic - not syncing';
/** A line is looked at up to this length; the mark comes early in it. */
const LONGEST_LINE = 512;

export class PanicWatch {
  readonly #report: (reason: string) => void;
  readonly #decoder = new TextDecoder();
  #line = '';
  #reported = false;

  constructor(report: (reason: string) => void) {
    this.#report = report;
  }

  feed(bytes: Uint8Array): void {
    if (this.#reported) return;
    const lines = (this.#line + this.#decoder.decode(bytes, { stream: true })).split('\n');
    this.#line = (lines.pop() ?? '').slice(0, LONGEST_LINE);
    for (const line of lines) {
      const at = line.slice(0, LONGEST_LINE).indexOf(MARK);
      // The kernel repeats the reason in its closing "end" line; the first is enough.
      if (at < 0) continue;
      this.#reported = true;
      this.#report(line.slice(at, LONGEST_LINE).trim());
      return;
    }
  }

  /** The machine boots again: a new panic is news. */
  restart(): void {
    this.#reported = false;
    this.#line = '';
  }
}
