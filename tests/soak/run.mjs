// npm run soak: a guest that makes new code without end, to see that memory and speed stay what they are.
//
// The Debian guest is booted with a program of ours, which says once in a second how far it is and checks the result of all
// code it makes. Meanwhile we look at the process that runs it.
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { prepareGuest } from './build.mjs';
import { PLACES } from './engines.mjs';
import { UsageError, parse, usage } from './options.mjs';
import { addSample, emptyRun, follow, lastLine } from './samples.mjs';
import { interval, judge } from './verdict.mjs';
import { Yardstick } from './yardstick.mjs';

/** One run, with all samples there are if it fails. */
async function soak({ where, guest, minutes, gc }, images) {
  const engine = PLACES[where](gc);
  const interval_s = interval(minutes);
  const run = emptyRun({ where, guest, gc, minutes, interval_s });
  const yardstick = new Yardstick();
  let program;
  try {
    await engine.boot(images);
    engine.console.send(`/${guest} ${engine.loops}\r`);
    program = follow(engine.console);
    const started = Date.now();
    const at = async (seconds) => {
      const left = Math.max(0, started + seconds * 1000 - Date.now());
      // Not waited for when the program has failed.
      await Promise.race([sleep(left, undefined, { ref: false }), program.end]);
      return Promise.race([engine.figures(), program.end]);
    };
    let last = await at(0);
    yardstick.take();
    const count = Math.floor((minutes * 60) / interval_s);
    for (let n = 1; n <= count; n++) {
      const now = await at(n * interval_s);
      addSample(run, last, now, program.iterations, yardstick.take());
      console.log(`  ${lastLine(run)}`);
      last = now;
    }
  } catch (error) {
    run.failure = error.message;
  } finally {
    yardstick.stop();
    program?.stop();
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
