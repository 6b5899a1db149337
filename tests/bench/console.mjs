// A guest's serial console as the runner uses it: text in, text out, and waiting for words.

/** What is kept of the output; a guest that floods its console must not fill our memory. */
const KEPT = 1 << 18;

export class Console {
  #text = '';
  #ended = '';
  #wake = () => {};

  /** `send(text)` types at the guest. */
  constructor(send) {
    this.send = send;
  }

  /** The engine hands over output. */
  feed(text) {
    this.#text = (this.#text + text).slice(-KEPT);
    this.#wake();
  }

  /** The guest is gone: whoever waits gets `reason`. */
  end(reason) {
    this.#ended ||= reason;
    this.#wake();
  }

  /** The last lines of output, for error messages. */
  tail() {
    return this.#text.split('\n').slice(-12).join('\n');
  }

  /** The last line that says something, for telling how far the guest is. */
  lastLine() {
    const lines = this.#text.split(/[\r\n]+/).map((line) => line.replaceAll(/[^ -~]/g, '').trim());
    return (lines.findLast((line) => line !== '') ?? '').slice(0, 100);
  }

  /** Waits for `pattern` and returns the match; the output up to its end is used up. */
  async waitFor(pattern, seconds) {
    const deadline = Date.now() + seconds * 1000;
    for (;;) {
      const match = pattern.exec(this.#text);
      if (match) {
        this.#text = this.#text.slice(match.index + match[0].length);
        return match;
      }
      const left = deadline - Date.now();
      if (this.#ended) throw new Error(`${this.#ended}; its last words:\n${this.tail()}`);
      if (left <= 0)
        throw new Error(`no ${pattern} on the console in ${seconds} s; the last words:\n${this.tail()}`);
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
