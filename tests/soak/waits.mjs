// Why a pause may have been long: how long what is measured waited for a core, and how long the host took its cores from this
// machine, if it is a guest itself. Both are looked at each second, and the longest count.
import { readFileSync, readdirSync } from 'node:fs';

const EVERY_MS = 1000;
/** /proc/stat counts in hundredths of a second. */
const TICK_MS = 10;

/** Milliseconds that other guests of the host had this machine's cores, of all cores together. */
export function stolenMs(stat = readFileSync('/proc/stat', 'utf8')) {
  const steal = stat.split('\n')[0].split(/ +/)[8];
  return steal === undefined ? 0 : Number(steal) * TICK_MS;
}

/** The threads of some processes, by their ids: milliseconds that each has run, and waited for a core since it could run. */
export function threads(pids) {
  const found = new Map();
  for (const pid of pids) {
    try {
      for (const id of readdirSync(`/proc/${pid}/task`)) {
        const [run, waited] = readFileSync(`/proc/${pid}/task/${id}/schedstat`, 'utf8').split(' ');
        found.set(id, { run_ms: Number(run) / 1e6, waited_ms: Number(waited) / 1e6 });
      }
    } catch {
      // It has just ended, or the kernel does not count that.
    }
  }
  return found;
}

/** How long the thread that ran longest between two looks waited meanwhile. */
export function waitOfBusiest(last, now) {
  let busiest = { run_ms: 0, waited_ms: 0 };
  for (const [id, { run_ms, waited_ms }] of now) {
    const before = last.get(id) ?? { run_ms: 0, waited_ms: 0 };
    const since = { run_ms: run_ms - before.run_ms, waited_ms: waited_ms - before.waited_ms };
    if (since.run_ms > busiest.run_ms) busiest = since;
  }
  return busiest.waited_ms;
}

/** Looks from when it is made until it is stopped. */
export class Waits {
  #pids;
  #threads;
  #stolen_ms = stolenMs();
  #longest = { waited_ms: 0, stolen_ms: 0 };
  #timer;

  /** Of the processes with these ids. */
  constructor(pids, every_ms = EVERY_MS) {
    this.#pids = pids;
    this.#threads = threads(pids);
    this.#timer = setInterval(() => this.#look(), every_ms).unref();
  }

  #look() {
    const now = threads(this.#pids);
    const stolen_ms = stolenMs();
    this.#longest = {
      waited_ms: Math.max(this.#longest.waited_ms, waitOfBusiest(this.#threads, now)),
      stolen_ms: Math.max(this.#longest.stolen_ms, stolen_ms - this.#stolen_ms),
    };
    this.#threads = now;
    this.#stolen_ms = stolen_ms;
  }

  /** The longest in a second since this was last asked, in milliseconds. */
  take() {
    this.#look();
    const longest = this.#longest;
    this.#longest = { waited_ms: 0, stolen_ms: 0 };
    return longest;
  }

  stop() {
    clearInterval(this.#timer);
  }
}
