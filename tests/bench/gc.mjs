// npm run bench:gc: what collecting compiled code costs, and what it spares. The suite's kernels with the collector and with
// none, and boots after a reboot, which find the code of the boot before.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { PLACES } from '../soak/engines.mjs';
import { prepareGuest } from './debian.mjs';
import { geometricMean } from './report.mjs';
import { collectRows, roundsOf, run as runner, show } from './parts.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const checksums = JSON.parse(readFileSync(join(here, 'checksums.json'), 'utf8'));

const usage = `npm run bench:gc -- [--json FILE]         write the rows there
                    [--where page|native] (default: both)
                    [--rounds N]          guests of each kind (default 3)`;

/** Goals by row: the greatest value that is asked for. */
const GOALS = { suite_vs_off: 1.02, reboot_compiled_vs_simple: 0.5 };

/** Host CPU seconds of the boot and of each kernel, the lesser of two. */
async function suite(place, gc, guest) {
  const engine = PLACES[place](gc);
  await engine.needs();
  try {
    const seconds = new Map([['boot', (await engine.boot(guest)).cpu_s]]);
    for (const [kernel, checksum] of Object.entries(checksums)) {
      const results = [await engine.run(kernel), await engine.run(kernel)];
      const wrong = results.find((result) => result.checksum !== checksum);
      if (wrong) throw new Error(`${kernel} with --gc ${gc} has the checksum ${wrong.checksum}`);
      seconds.set(kernel, Math.min(...results.map(({ cpu_s }) => cpu_s)));
    }
    return seconds;
  } finally {
    await engine.close();
  }
}

/** Regions compiled in the boot after a reboot, and how many were revived instead. */
async function reboot(place, gc, guest) {
  const engine = PLACES[place](gc);
  await engine.needs();
  try {
    await engine.boot(guest);
    const before = await engine.figures();
    engine.console.send('reboot -f\r');
    await engine.ready(0, 0);
    const after = await engine.figures();
    return { compiled: after.regions - before.regions, revived: after.gc.revived - before.gc.revived };
  } finally {
    await engine.close();
  }
}

async function measure(place, rounds, add) {
  const guest = prepareGuest();
  const modes = ['generational', 'off'];
  const seconds = new Map(modes.map((gc) => [gc, []]));
  for (let round = 0; round < rounds; round++) {
    // Each round begins with the other, so that none always comes first.
    for (let at = 0; at < modes.length; at++) {
      const gc = modes[(round + at) % modes.length];
      console.log(`${place}, round ${round + 1}: --gc ${gc}`);
      seconds.get(gc).push(await suite(place, gc, guest));
    }
  }
  // The least of all rounds: what else the host does only adds to it, and on some hosts doubles it.
  const least = (gc, kernel) => Math.min(...seconds.get(gc).map((run) => run.get(kernel)));
  const ratio = (kernel) => least('generational', kernel) / least('off', kernel);
  add(
    `suite_vs_off_${place}`,
    geometricMean(new Map(Object.keys(checksums).map((name) => [name, ratio(name)]))),
    'ratio',
  );
  add(`boot_vs_off_${place}`, ratio('boot'), 'ratio');
  console.log(`${place}: a boot after a reboot`);
  const kept = await reboot(place, 'generational', guest);
  const simple = await reboot(place, 'simple', guest);
  add(`reboot_compiled_${place}`, kept.compiled, 'regions');
  add(`reboot_revived_${place}`, kept.revived, 'regions');
  add(`reboot_compiled_simple_${place}`, simple.compiled, 'regions');
  add(`reboot_compiled_vs_simple_${place}`, kept.compiled / simple.compiled, 'ratio');
}

async function main() {
  const string = { type: 'string' };
  const { values } = parseArgs({
    options: { json: string, rounds: string, where: string, help: { type: 'boolean' } },
  });
  if (values.help) return console.log(usage);
  const rounds = roundsOf(values.rounds, usage);
  const places = values.where === undefined ? Object.keys(PLACES) : [values.where];
  if (!places.every((place) => place in PLACES)) throw new Error(`there is no ${values.where}\n${usage}`);

  const { rows, add } = collectRows();
  for (const place of places) await measure(place, rounds, add);
  show(rows, (name) => GOALS[name.replace(/_(page|native)$/, '')], values.json);
}

runner(main);
