// npm run soak: a guest that makes new code without end, to see that memory and speed stay what they are.
//
// The Debian guest is booted with a program of ours, which says once in a second how far it is and checks the result of all
// code it makes. Meanwhile we look at the process that runs it.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { prepareGuest } from './build.mjs';
import { PLACES } from './engines.mjs';
import { UsageError, parse, usage } from './options.mjs';
import { interval, judge } from './verdict.mjs';

/** The guest's program has stopped when it says nothing for so long. */
const SILENCE_S = 30;

const rounded = (value) => Number(value.toFixed(1));

/** Follows what the guest's program says; `iterations` is how far it is. Rejects when it fails or falls silent. */
function follow(console) {
  const program = { iterations: 0, stopped: false };
  const listen = async () => {
    while (!program.stopped) {
      const match = await console.waitFor(/SOAK (\d+) (\d+)[\r\n]|(SOAK-FAILED [^\r\n]*)[\r\n]/, SILENCE_S);
      if (match[3]) throw new Error(match[3]);
      program.iterations = Number(match[2]);
    }
  };
  program.end = listen();
  // It may fail while nobody waits for it.
  program.end.catch(() => {});
  return program;
}

/** Adds a sample to the run; `last` and `now` are figures, from its beginning and from its end. */
function add(run, last, now, iterations) {
  const millions = (now.instructions - last.instructions) / 1e6;
  run.rss_mb.push(rounded(now.rss_mb));
  run.mips.push(rounded(millions / (now.cpu_s - last.cpu_s)));
  run.mips_wall.push(rounded(millions / (now.at_s - last.at_s)));
  run.iterations.push(iterations);
  run.guest_mb.push(rounded(now.guest_mb));
  run.code_mb.push(rounded(now.code_mb));
  run.regions.push(now.regions);
}

/** The collector's own figures, of the whole run. */
function addCollector(run, gc) {
  if (gc === null) return;
  if (gc.mode !== undefined && gc.mode !== run.gc)
    throw new Error(`--gc ${run.gc} was asked for, and the collector is ${gc.mode}`);
  const ms = (us) => Number((us / 1000).toFixed(3));
  run.pause_ms = { p50: ms(gc.p50_us), p99: ms(gc.p99_us), max: ms(gc.max_us) };
  run.revived = gc.revived;
  run.recompiled = gc.recompiled;
}

/** One run, with all samples there are if it fails. */
async function soak({ where, guest, minutes, gc }, images) {
  const engine = PLACES[where](gc);
  const interval_s = interval(minutes);
  const run = {
    where,
    guest,
    gc,
    minutes,
    interval_s,
    rss_mb: [],
    mips: [],
    mips_wall: [],
    iterations: [],
    guest_mb: [],
    code_mb: [],
    regions: [],
    pause_ms: null,
    revived: null,
    recompiled: null,
  };
  let program;
  try {
    await engine.boot(images);
    engine.console.send(`/${guest} ${engine.loops}\r`);
    program = follow(engine.console);
    const started = Date.now();
    const at = async (seconds) => {
      await Promise.race([sleep(Math.max(0, started + seconds * 1000 - Date.now())), program.end]);
      return Promise.race([engine.figures(), program.end]);
    };
    let last = await at(0);
    const count = Math.floor((minutes * 60) / interval_s);
    for (let n = 1; n <= count; n++) {
      const now = await at(n * interval_s);
      add(run, last, now, program.iterations);
      addCollector(run, now.gc);
      last = now;
      const sample = (name) => run[name].at(-1);
      console.log(
        `  ${String(n * interval_s).padStart(5)} s: ${sample('rss_mb')} MiB, ` +
          `${sample('mips')} MIPS of CPU, ${sample('mips_wall')} on the clock, ` +
          `${sample('iterations')} iterations; guest ${sample('guest_mb')} MiB, ` +
          `code ${sample('code_mb')} MiB, ${sample('regions')} regions so far`,
      );
    }
  } catch (error) {
    run.failure = error.message;
  } finally {
    if (program) program.stopped = true;
    await engine.close();
  }
  return run;
}

async function main() {
  const wanted = parse(process.argv.slice(2));
  if (wanted.help) {
    console.log(usage);
    return;
  }
  for (const { where } of wanted.runs) await PLACES[where](wanted.gc).needs();
  const images = prepareGuest();
  const done = [];
  for (const { where, guest } of wanted.runs) {
    console.log(`${guest}, ${where}, --gc ${wanted.gc}: booting the guest`);
    const run = await soak({ where, guest, minutes: wanted.minutes, gc: wanted.gc }, images);
    const { lines, wrong } = judge(run);
    for (const line of lines) console.log(`  ${line}`);
    console.log(`${guest}, ${where}, --gc ${wanted.gc}: ${wrong.length === 0 ? 'PASS' : 'FAIL'}`);
    if (wrong.length > 0) process.exitCode = 1;
    done.push(run);
    // After each: a later one may be broken off.
    if (wanted.json) writeFileSync(wanted.json, `${JSON.stringify(wanted.runs.length === 1 ? run : done)}\n`);
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

main().catch((error) => {
  console.error(`soak: ${error.message}`);
  if (error instanceof UsageError) console.error(usage);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
