// npm run bench:gc: what collecting compiled code costs, and what it spares. The suite's kernels with the collector and with
// none, and boots after a reboot, which find the code of the boot before.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { PLACES } from '../soak/engines.mjs';
import { prepareGuest } from './debian.mjs';
import { geometricMean, median } from './report.mjs';
import { collectRows, roundsOf, run as runner, show } from './parts.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const checksums = JSON.parse(readFileSync(join(here, 'checksums.json'), 'utf8'));

const usage = `npm run bench:gc -- [--json FILE]         write the rows there
                    [--where page|native] (default: both)
                    [--rounds N]          guests of each kind (default 3)`;

/** Goals by row: the greatest value that is asked for. */
const GOALS = { suite_vs_off: 1.02, suite_pairs_vs_off: 1.02, reboot_compiled_vs_simple: 0.5 };

/** Guests, and what each is asked for. The last is to see what two of a kind differ by on this host. */
const GUESTS = { generational: 'generational', off: 'off', again: 'off' };

/** How often each guest of a round runs a kernel. */
const RUNS = 2;

/**
 * Adds to `seconds`, by guest and then by kernel or `boot`, the host CPU seconds of each guest. All are up and
 * take turns at every run, so that a host that changes its speed changes it for all. Returns how many milliseconds the
 * collector's steps took in all.
 */
async function suite(place, order, guest, seconds) {
  const note = (kind, name, { cpu_s }) => seconds.get(kind).get(name).push(cpu_s);
  const engines = new Map(order.map((kind) => [kind, PLACES[place](GUESTS[kind])]));
  try {
    for (const [kind, engine] of engines) {
      await engine.needs();
      note(kind, 'boot', await engine.boot(guest));
    }
    for (const [kernel, checksum] of Object.entries(checksums)) {
      for (let run = 0; run < RUNS; run++) {
        for (const [kind, engine] of engines) {
          const result = await engine.run(kernel);
          if (result.checksum !== checksum) {
            throw new Error(`${kernel} with --gc ${GUESTS[kind]} has the checksum ${result.checksum}`);
          }
          note(kind, kernel, result);
        }
      }
    }
    return (await engines.get('generational').figures()).gc.total_us / 1000;
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

/** Adds rows of what the guests' seconds, as of [`suite`], are to those of one that collects nothing. */
function compare(place, seconds, add) {
  const of = (kind, name) => seconds.get(kind).get(name);
  const ways = {
    // The least of all rounds: what else the host does only adds to it, and on some hosts doubles it.
    vs_off: (kind, name) => Math.min(...of(kind, name)) / Math.min(...of('off', name)),
    // The median of both guests' turns, one over the other: for hosts that change their speed.
    pairs_vs_off: (kind, name) => median(of(kind, name).map((value, turn) => value / of('off', name)[turn])),
  };
  const kernels = Object.keys(checksums);
  for (const [way, ratio] of Object.entries(ways)) {
    console.log(`  ${way}: generational, off again`);
    for (const name of seconds.get('off').keys()) {
      const columns = ['generational', 'again'].map((kind) => ratio(kind, name).toFixed(3));
      console.log(`    ${name.padEnd(10)} ${columns.join('  ')}`);
    }
    for (const [kind, row] of [
      ['generational', way],
      ['again', `again_${way}`],
    ]) {
      const mean = geometricMean(new Map(kernels.map((name) => [name, ratio(kind, name)])));
      add(`suite_${row}_${place}`, mean, 'ratio');
      add(`boot_${row}_${place}`, ratio(kind, 'boot'), 'ratio');
    }
  }
}

async function measure(place, rounds, add) {
  const guest = prepareGuest();
  const names = ['boot', ...Object.keys(checksums)];
  const kinds = Object.keys(GUESTS);
  const seconds = new Map(kinds.map((kind) => [kind, new Map(names.map((name) => [name, []]))]));
  const collector = [];
  for (let round = 0; round < rounds; round++) {
    console.log(`${place}, round ${round + 1} of ${rounds}`);
    // Each begins with another, so that none always comes first.
    const first = round % kinds.length;
    collector.push(await suite(place, [...kinds.slice(first), ...kinds.slice(0, first)], guest, seconds));
  }
  compare(place, seconds, add);
  add(`collector_${place}`, median(collector), 'ms');
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
