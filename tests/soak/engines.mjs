// Where the guest of the soak test runs: natively, or in a page. Beside what each engine has
//
//   figures()           -> the machine's figures now, and what its process uses:
//                          { at_s, cpu_s, rss_mb, instructions, guest_mb, code_mb, regions, gc }
//   pause(), resume()   hold the machine, which uses no CPU then, and let it go on
//   loops               how often the guest's functions run: often enough to be compiled, and some more
//
// where `gc` is what the collector says of itself, or null where it says nothing.
import { readFileSync, readdirSync } from 'node:fs';

import { Page } from '../bench/engines/page.mjs';
import { Tabvisor } from '../bench/engines/process.mjs';
import { now } from '../bench/engines/guest.mjs';
import { residentMib, shareMib } from './memory.mjs';

/** Seconds between two lines of figures, and the longest wait for one on a busy machine. */
const LINES_EVERY_S = 1;
const LINE_LIMIT_MS = 30_000;

/** Longest wait for threads to stop. */
const STOP_LIMIT_MS = 10_000;

/** Whether every thread of a process has taken the signal that stops it, which a busy machine does not at once. */
function isStopped(pid) {
  const state = (id) => readFileSync(`/proc/${pid}/task/${id}/stat`, 'utf8').split(') ').at(-1)[0];
  try {
    return readdirSync(`/proc/${pid}/task`).every((id) => state(id) === 'T');
  } catch {
    // A thread has just ended, so it ran.
    return false;
  }
}

const mib = (bytes) => bytes / 2 ** 20;

class NativeSoak extends Tabvisor {
  loops = 1000;
  #rest = '';
  /** Who waits for the next line of figures. */
  #waiting = [];

  constructor(gc) {
    super('jit', ['--stats-every', `${LINES_EVERY_S}`, '--gc', gc]);
  }

  /** Lines of figures are for us, all others for the console. */
  complain(text) {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith('{')) {
        this.console.feed(`${line}\n`);
        continue;
      }
      const figures = JSON.parse(line);
      for (const done of this.#waiting.splice(0)) done(figures);
    }
  }

  async pause() {
    const { pid } = this.child;
    this.child.kill('SIGSTOP');
    const deadline = now() + STOP_LIMIT_MS / 1000;
    while (!isStopped(pid)) {
      if (now() > deadline) throw new Error(`process ${pid} has not stopped in ${STOP_LIMIT_MS / 1000} s`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  resume() {
    this.child.kill('SIGCONT');
  }

  /** Those of the next line, so that instructions, time and memory are of the same moment. */
  async figures() {
    let timer;
    const figures = await new Promise((resolve, reject) => {
      const late = () => reject(new Error(`no figures in ${LINE_LIMIT_MS / 1000} s`));
      timer = setTimeout(late, LINE_LIMIT_MS).unref();
      this.#waiting.push(resolve);
    });
    clearTimeout(timer);
    const gc = figures.jit.gc ?? null;
    return {
      at_s: now(),
      cpu_s: this.cpu(),
      rss_mb: residentMib(this.child.pid),
      instructions: figures.instructions,
      guest_mb: mib(figures.ram_in_use_bytes ?? 0),
      code_mb: mib(figures.jit.code_bytes),
      modules: figures.jit.modules,
      stall_ms: figures.jit.longest_stall_us / 1000,
      regions: figures.jit.quick_regions + figures.jit.hot_regions,
      gc: gc && {
        mode: gc.mode,
        p50_us: gc.pause_p50_us,
        p99_us: gc.pause_p99_us,
        max_us: gc.pause_max_us,
        max_work: gc.pause_max_work,
        total_us: gc.pause_total_us,
        revived: gc.revived,
        recompiled: gc.recompiled,
        freed: gc.freed,
        moved: gc.moved,
      },
    };
  }
}

class PageSoak extends Page {
  loops = 12_000;

  constructor(gc) {
    super('jit', false, { gc });
  }

  pause() {
    return this.page.evaluate(() => window.tabvisor.machine.pause());
  }

  resume() {
    return this.page.evaluate(() => window.tabvisor.machine.start());
  }

  async figures() {
    const figures = await this.page.evaluate(() => window.tabvisor.machine.stats());
    const gc = figures.jit.gc ?? null;
    return {
      at_s: now(),
      cpu_s: this.cpu(),
      rss_mb: this.processes().reduce((sum, pid) => sum + shareMib(pid), 0),
      instructions: figures.instructions,
      guest_mb: mib(figures.ramInUseBytes),
      code_mb: mib(figures.jit.codeBytes),
      modules: figures.jit.modules,
      stall_ms: figures.jit.longestStallMs,
      regions: figures.jit.quickRegions + figures.jit.hotRegions,
      gc: gc && {
        mode: gc.mode,
        p50_us: gc.pauseP50Us,
        p99_us: gc.pauseP99Us,
        max_us: gc.pauseMaxUs,
        max_work: gc.pauseMaxWork,
        total_us: gc.pauseTotalUs,
        revived: gc.revived,
        recompiled: gc.recompiled,
        freed: gc.freed,
        moved: gc.moved,
      },
    };
  }
}

/** Engines by the name that the command line uses for where they run. */
export const PLACES = {
  page: (gc) => new PageSoak(gc),
  native: (gc) => new NativeSoak(gc),
};
