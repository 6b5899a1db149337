// How fast the host is while something else runs on it: a piece of work is done now and then, and timed by the CPU time it takes.
// Machines that are shared change their speed by half within minutes, which says nothing of what runs on them.
//
// A process of its own does it, of the lowest priority, so that what is measured need not wait for it.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(import.meta.url);

/** How often the work is done. It takes a few milliseconds. */
const EVERY_MS = 500;
const STEPS = 2_000_000;
/** Words of memory that it touches: as much as a core's cache holds. */
const WORDS = 1 << 18;

const memory = new Uint32Array(WORDS);

/** The work: additions to words all over the memory. */
function work() {
  let x = 1;
  for (let step = 0; step < STEPS; step++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) | 0;
    memory[(x >>> 8) % WORDS] += x;
  }
}

/** Seconds of CPU that this process has used. */
function cpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** What the other process does: the work every so many milliseconds, saying what it took. */
function measure(every_ms) {
  setPriority(constants.priority.PRIORITY_LOW);
  // The first times it is not yet compiled.
  for (let i = 0; i < 10; i++) work();
  const turn = () => {
    const before = cpuSeconds();
    work();
    // Whoever asked may be gone meanwhile.
    process.send(cpuSeconds() - before, (error) => error && process.exit());
  };
  process.on('disconnect', () => process.exit());
  turn();
  setInterval(turn, every_ms);
}

/** Measures the host from when it is made until it is stopped. */
export class Yardstick {
  #steps = 0;
  #cpu_s = 0;
  #process;

  constructor(every_ms = EVERY_MS) {
    // Else V8 makes the work part of Node's timers once these have run some 1300 times, where it is 1.6 times as slow.
    this.#process = fork(file, [`${every_ms}`], { execArgv: ['--no-turbo-inlining'] });
    this.#process.on('message', (cpu_s) => {
      this.#cpu_s += cpu_s;
      this.#steps += STEPS;
    });
  }

  /** Million steps for each second of CPU since this was last asked. */
  async take() {
    if (this.#steps === 0) {
      const gone = once(this.#process, 'exit').then(() => {
        throw new Error('the yardstick has ended');
      });
      await Promise.race([once(this.#process, 'message'), gone]);
    }
    const speed = this.#steps / 1e6 / this.#cpu_s;
    this.#steps = 0;
    this.#cpu_s = 0;
    return speed;
  }

  stop() {
    if (this.#process.connected) this.#process.disconnect();
  }
}

if (process.argv[1] === file) measure(Number(process.argv[2]));
