// What is noted of a run: what its guest says, and a sample of its machine's figures now and then.

/** The guest's program has stopped when it says nothing for so long. */
const SILENCE_S = 30;

const rounded = (value) => Number(value.toFixed(1));

/** A run before its first sample, in the shape of the JSON file. What there is to know of the collector is null so far. */
export function emptyRun({ where, guest, gc, minutes, interval_s }) {
  return {
    where,
    guest,
    gc,
    minutes,
    interval_s,
    rss_mb: [],
    // Million instructions for each second of CPU, and for each on the clock.
    mips: [],
    mips_wall: [],
    // How fast the host was meanwhile: million steps of the yardstick for each second of CPU.
    host: [],
    // The longest in a second, in milliseconds: how long the guest's thread waited for a core, and how long the machine's cores
    // were taken from it.
    waited_ms: [],
    stolen_ms: [],
    // How far the guest's program is.
    iterations: [],
    // Of the memory: what the guest has touched, and code, in how many modules. Regions are all that were ever compiled.
    guest_mb: [],
    code_mb: [],
    modules: [],
    regions: [],
    // The longest so far that the guest stood still while code was compiled or handed over.
    stall_ms: null,
    // Of the whole run so far, and what the longest was for.
    pause_ms: null,
    longest_pause: null,
    revived: null,
    recompiled: null,
    // Of long runs: `mips` of this guest and of a fresh one, which took turns afterwards.
    control: null,
  };
}

/** Million instructions for each second of CPU between two of an engine's figures. */
export function mips(last, now) {
  return rounded((now.instructions - last.instructions) / 1e6 / (now.cpu_s - last.cpu_s));
}

/**
 * Adds a sample to the run; `last` and `now` are an engine's figures from its beginning and its end, the others tell of the
 * host meanwhile.
 */
export function addSample(run, last, now, iterations, { host, waited_ms, stolen_ms }) {
  const millions = (now.instructions - last.instructions) / 1e6;
  run.rss_mb.push(rounded(now.rss_mb));
  run.mips.push(mips(last, now));
  run.mips_wall.push(rounded(millions / (now.at_s - last.at_s)));
  run.host.push(rounded(host));
  run.waited_ms.push(rounded(waited_ms));
  run.stolen_ms.push(rounded(stolen_ms));
  run.iterations.push(iterations);
  run.guest_mb.push(rounded(now.guest_mb));
  run.code_mb.push(rounded(now.code_mb));
  run.modules.push(now.modules);
  run.regions.push(now.regions);
  run.stall_ms = rounded(now.stall_ms);
  if (now.gc === null) return;
  // The collector's figures are of the whole run each time.
  if (now.gc.mode !== run.gc)
    throw new Error(`--gc ${run.gc} was asked for, and the collector is ${now.gc.mode}`);
  const ms = (us) => Number((us / 1000).toFixed(3));
  const { p50_us, p99_us, max_us, total_us } = now.gc;
  run.pause_ms = { p50: ms(p50_us), p99: ms(p99_us), max: ms(max_us), total: ms(total_us) };
  run.longest_pause = now.gc.max_work;
  run.revived = now.gc.revived;
  run.recompiled = now.gc.recompiled;
}

/** The newest sample, as a line. */
export function lastLine(run) {
  const of = (name) => run[name].at(-1);
  const seconds = run.rss_mb.length * run.interval_s;
  const pause = run.pause_ms === null ? '' : `, pause ${run.pause_ms.max} ms (${run.longest_pause})`;
  return (
    `${String(seconds).padStart(5)} s: ${of('rss_mb')} MiB, ${of('mips')} MIPS of CPU, ${of('mips_wall')} on the clock, host ${of('host')}, ` +
    `waits of ${of('waited_ms')} ms in a second, ${of('stolen_ms')} ms taken, ` +
    `${of('iterations')} iterations; guest ${of('guest_mb')} MiB, code ${of('code_mb')} MiB in ${of('modules')} modules, ${of('regions')} regions so far; longest stall ${run.stall_ms} ms${pause}`
  );
}

/**
 * Follows what the guest's program says on its console: `iterations` is how far it is, `end` is rejected when it fails or
 * says nothing for a while. `stop()` ends that.
 */
export function follow(console, silence_s = SILENCE_S) {
  let stopped = false;
  const program = {
    iterations: 0,
    stop: () => {
      stopped = true;
    },
  };
  const listen = async () => {
    while (!stopped) {
      const match = await console.waitFor(/SOAK (\d+) (\d+)[\r\n]|(SOAK-FAILED [^\r\n]*)[\r\n]/, silence_s);
      if (match[3]) throw new Error(match[3]);
      program.iterations = Number(match[2]);
    }
  };
  program.end = listen();
  // It may fail while nobody waits for it.
  program.end.catch(() => {});
  return program;
}
