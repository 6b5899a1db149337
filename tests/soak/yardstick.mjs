// How fast the host is while something else runs on it: a piece of work is done now and then, and timed by the CPU time it takes.
// Machines that are shared change their speed by half within minutes, which says nothing of what runs on them.

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

/** Measures the host from when it is made until it is stopped. */
export class Yardstick {
  #steps = 0;
  #cpu_s = 0;
  #timer;

  constructor(every_ms = EVERY_MS) {
    // The first times it is not yet compiled.
    for (let i = 0; i < 10; i++) work();
    this.#measure();
    this.#timer = setInterval(() => this.#measure(), every_ms).unref();
  }

  #measure() {
    const before = cpuSeconds();
    work();
    this.#cpu_s += cpuSeconds() - before;
    this.#steps += STEPS;
  }

  /** Million steps for each second of CPU since this was last asked. */
  take() {
    if (this.#steps === 0) this.#measure();
    const speed = this.#steps / 1e6 / this.#cpu_s;
    this.#steps = 0;
    this.#cpu_s = 0;
    return speed;
  }

  stop() {
    clearInterval(this.#timer);
  }
}
