// A guest with a program that makes code, which can be held and let go on.
import { PLACES } from './engines.mjs';
import { follow } from './samples.mjs';

export class SoakGuest {
  constructor({ where, guest, gc }) {
    this.engine = PLACES[where](gc);
    this.guest = guest;
  }

  /** Boots and starts the program. What it says is to be followed by what this returns. */
  async start(images) {
    await this.engine.boot(images);
    this.engine.console.send(`/${this.guest} ${this.engine.loops}\r`);
    return follow(this.engine.console);
  }

  figures() {
    return this.engine.figures();
  }

  /** Holds the machine, after the program's next word. */
  async hold(program) {
    program.stop();
    await program.end;
    await this.engine.pause();
  }

  /** Lets it go on. */
  async resume() {
    await this.engine.resume();
    return follow(this.engine.console);
  }

  close() {
    return this.engine.close();
  }
}
