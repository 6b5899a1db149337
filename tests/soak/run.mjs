// npm run soak: a guest that makes new code without end, to see that memory and speed stay what they are.
//
// The Debian guest is booted with a program of ours, which says once in a second how far it is and checks the result of all
// code it makes. Meanwhile we look at the process that runs it.
import { writeFileSync } from 'node:fs';

import { prepareGuest } from './build.mjs';
import { takeTurns, wait } from './control.mjs';
import { PLACES } from './engines.mjs';
import { SoakGuest } from './guest.mjs';
import { UsageError, parse, usage } from './options.mjs';
import { addSample, emptyRun, lastLine } from './samples.mjs';
import { interval, judge, wantsControl } from './verdict.mjs';
import { Waits } from './waits.mjs';
import { Yardstick } from './yardstick.mjs';

/** One run, with all samples there are if it fails. */
async function soak(wanted, images) {
  const { where, guest, minutes, gc } = wanted;
  const interval_s = interval(minutes);
  const run = emptyRun({ where, guest, gc, minutes, interval_s });
  const yardstick = new Yardstick();
  let waits;
  const guests = [new SoakGuest(wanted)];
  const [aged] = guests;
  try {
    const program = await aged.start(images);
    const started = Date.now();
    const at = async (seconds) => {
      await wait(Math.max(0, started / 1000 + seconds - Date.now() / 1000), program);
      return Promise.race([aged.figures(), program.end]);
    };
    let last = await at(0);
    await yardstick.take();
    waits = new Waits(aged.engine.processes());
    const count = Math.floor((minutes * 60) / interval_s);
    for (let n = 1; n <= count; n++) {
      const now = await at(n * interval_s);
      addSample(run, last, now, program.iterations, { host: await yardstick.take(), ...waits.take() });
      console.log(`  ${lastLine(run)}`);
      last = now;
    }
    waits.stop();
    if (wantsControl(run)) {
      await aged.hold(program);
      console.log('  a fresh guest, to compare with');
      const fresh = new SoakGuest(wanted);
      guests.push(fresh);
      run.control = await takeTurns(aged, fresh, await fresh.start(images));
    }
  } catch (error) {
    run.failure = error.message;
  } finally {
    yardstick.stop();
    waits?.stop();
    await Promise.all(guests.map((guest) => guest.close()));
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
