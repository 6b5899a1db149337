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

const MODES = ['generational', 'off'];

/** How often each guest of a round runs a kernel. */
const RUNS = 2;

/**
 * Adds to `seconds`, by mode and then by kernel or `boot`, the host CPU seconds of a guest of each mode. Both are up and
 * take turns at every run, so that a host that changes its speed changes it for both.
 */
async function suite(place, order, guest, seconds) {
  const note = (gc, name, { cpu_s }) => seconds.get(gc).get(name).push(cpu_s);
  const engines = new Map(order.map((gc) => [gc, PLACES[place](gc)]));
  try {
    for (const [gc, engine] of engines) {
      await engine.needs();
      note(gc, 'boot', await engine.boot(guest));
    }
    for (const [kernel, checksum] of Object.entries(checksums)) {
      for (let run = 0; run < RUNS; run++) {
        for (const [gc, engine] of engines) {
          const result = await engine.run(kernel);
          if (result.checksum !== checksum) {
            throw new Error(`${kernel} with --gc ${gc} has the checksum ${result.checksum}`);
          }
          note(gc, kernel, result);
        }
      }
    }
  } finally {
    for (const engine of engines.values()) await engine.close();
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
  const names = ['boot', ...Object.keys(checksums)];
  const seconds = new Map(MODES.map((gc) => [gc, new Map(names.map((name) => [name, []]))]));
  for (let round = 0; round < rounds; round++) {
    console.log(`${place}, round ${round + 1} of ${rounds}`);
    // Each begins with the other, so that none always comes first.
    await suite(place, round % 2 === 0 ? MODES : MODES.toReversed(), guest, seconds);
  }
  // The least of all rounds: what else the host does only adds to it, and on some hosts doubles it.
  const least = (gc, name) => Math.min(...seconds.get(gc).get(name));
  const ratio = (name) => least('generational', name) / least('off', name);
  for (const name of names) console.log(`  ${name.padEnd(10)} ${ratio(name).toFixed(3)}`);
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
