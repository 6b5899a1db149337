// npm run bench:mem: what the memory system's parts are worth. Look-ups and locks by criterion, batches by a bench of their
// own, and guests under the compiler with the fast table alone and with what is below it.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { prepareGuest } from './debian.mjs';
import { Tabvisor } from './engines/process.mjs';
import { geometricMean, median } from './report.mjs';
import { collectRows, roundsOf, run as runner, show } from './parts.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const recorded = (name) => JSON.parse(readFileSync(join(here, name), 'utf8'));
const suite = recorded('checksums.json');
const checksums = { ...suite, ...recorded('memory-checksums.json') };

const usage = `npm run bench:mem -- [--json FILE]       write the rows there
                     [--rounds N]      guests of each kind (default 3)
                     [--only PARTS]    of lookups,batches,guests,combinations (default: the first three)

combinations: the guest boots and runs every kernel once with each of the ${combinations().length} choices there are about the TLB,
two guests at a time; a kernel with a wrong result is an error.`;

/** Goals by row: the greatest value that is asked for. */
const GOALS = {
  l1_hit_ns: 3,
  const_generic_vs_runtime: 0.95,
  chunk_batch_vs_one_by_one_100: 0.33,
  fault_vs_fast_table: 0.77,
  chase_vs_fast_table: 0.77,
};

/** Nanoseconds for one step of a criterion bench that measures one step an iteration. */
function estimate(group, name, per = 1) {
  const file = join(root, 'target/criterion', group, name, 'new/estimates.json');
  if (!existsSync(file)) throw new Error(`criterion has measured no ${group}/${name}`);
  return JSON.parse(readFileSync(file, 'utf8')).median.point_estimate / per;
}

function bench(name, ...more) {
  const env = { ...process.env, CARGO_TARGET_DIR: join(root, 'target') };
  const words = ['bench', '--quiet', '-p', 'tabvisor', '--bench', name, '--', ...more];
  return execFileSync('cargo', words, {
    cwd: root,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 26,
  });
}

/** Look-ups of one iteration where results are copied and cloned. */
const LOOKUPS = 4096;

function lookups(add) {
  const text = bench('tlb', '--quick');
  console.log(text);
  // The least of many short runs, which the bench prints: what else the host does can only add to it.
  const least = new Map();
  for (const [, name, ns] of text.matchAll(/^(.+): at least ([\d.]+) ns$/gm)) least.set(name, Number(ns));
  const of = (name) => {
    if (!least.has(name)) throw new Error(`the bench has measured no ${name}`);
    return least.get(name);
  };
  const ratio = (row, name, base) => add(row, of(name) / of(base), 'ratio');
  add('l1_hit_ns', of('l1_hit/level'), 'ns');
  add('hierarchy_l1_hit_ns', of('l1_hit/unified'), 'ns');
  for (const kind of ['unified', 'concurrent']) add(`${kind}_l2_hit_ns`, of(`l1_miss_l2_hit/${kind}`), 'ns');
  for (const policy of ['lru', 'plru', 'lfu', 'fifo', 'random'])
    add(`policy_${policy}_ns`, of(`policy/${policy}`), 'ns');
  ratio('const_generic_vs_runtime', 'geometry/in the type', 'geometry/at run time');
  const second = 'geometry, second level';
  ratio('const_generic_vs_runtime_l2', `${second}/in the type`, `${second}/at run time`);
  ratio('prefetch_vs_none_l1_hit', 'l1_hit/unified,prefetch=4', 'l1_hit/unified');
  ratio('adaptive_vs_none_l1_hit', 'l1_hit/unified,adaptive', 'l1_hit/unified');
  const result = (name) => estimate('result', name, LOOKUPS);
  add('copy_vs_clone', result('copied') / result('cloned, plain data'), 'ratio');
  add('copy_vs_clone_on_the_heap', result('copied') / result('cloned, on the heap'), 'ratio');
  const locks = (what) => estimate('shared', `parking_lot_ ${what}`) / estimate('shared', `std_ ${what}`);
  add('parking_lot_vs_std', locks('insert'), 'ratio');
  add('parking_lot_vs_std_contended', locks('fence, another writes'), 'ratio');
}

function batches(add) {
  const rows = bench('batch')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
  for (const { name, value, unit } of rows) add(name, value, unit);
  add(
    'batch_vs_sequential',
    rows.find(({ name }) => name === 'chunk_batch_vs_one_by_one_100').value,
    'ratio',
  );
}

/** Host CPU seconds of each kernel, the least of `runs`, in one guest with these words for its TLB. */
async function run(guest, words, runs) {
  const engine = new Tabvisor('jit', ['--tlb', words]);
  await engine.needs();
  try {
    const seconds = new Map([['boot', (await engine.boot(guest)).cpu_s]]);
    for (const kernel of Object.keys(checksums)) {
      const results = [];
      for (let i = 0; i < runs; i++) results.push(await engine.run(kernel));
      const wrong = results.find(({ checksum }) => checksum !== checksums[kernel]);
      if (wrong) throw new Error(`${kernel} under --tlb ${words} has the checksum ${wrong.checksum}`);
      seconds.set(kernel, Math.min(...results.map(({ cpu_s }) => cpu_s)));
    }
    return seconds;
  } finally {
    await engine.close();
  }
}

/** Ways to remember translations that are held against the fast table alone. */
const KINDS = {
  fast_table: 'unified',
  fast_table_by_per_cpu: 'per-cpu',
  fast_table_by_concurrent: 'concurrent',
  fast_table_by_prefetch: 'unified,prefetch=4',
  fast_table_by_adaptive: 'unified,adaptive',
  fast_table_by_no_walk_cache: 'unified,no-walk-cache',
};

async function guests(add, rounds) {
  const guest = prepareGuest();
  const words = ['fast', ...Object.values(KINDS)];
  const seconds = new Map(words.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    // Each round begins with another, so that none always comes first.
    for (let at = 0; at < words.length; at++) {
      const name = words[(round + at) % words.length];
      console.log(`round ${round + 1}: --tlb ${name}`);
      seconds.get(name).push(await run(guest, name, 3));
    }
  }
  const middle = (name, kernel) => median(seconds.get(name).map((run) => run.get(kernel)));
  for (const [row, name] of Object.entries(KINDS)) {
    const ratios = new Map();
    for (const kernel of ['boot', ...Object.keys(checksums)]) {
      const value = middle(name, kernel) / middle('fast', kernel);
      if (kernel in suite) ratios.set(kernel, value);
      if (['boot', 'fault', 'chase', 'wide', 'switch'].includes(kernel))
        add(`${kernel}_vs_${row}`, value, 'ratio');
    }
    add(`suite_vs_${row}`, geometricMean(ratios), 'ratio');
  }
}

/** All that can be said about the TLB. Without levels below the fast table their policies make no difference. */
function combinations() {
  const policies = ['lru', 'plru', 'lfu', 'fifo', 'random'];
  const all = [];
  for (const hierarchy of ['fast', 'unified', 'per-cpu', 'concurrent'])
    for (const policy of hierarchy === 'fast' ? ['lru'] : policies)
      for (const prefetch of ['no-prefetch', 'prefetch=4'])
        for (const adaptive of ['no-adaptive', 'adaptive'])
          for (const cache of ['no-walk-cache', 'walk-cache'])
            all.push([hierarchy, policy, prefetch, adaptive, cache].join(','));
  return all;
}

async function everyCombination(add) {
  const guest = prepareGuest();
  const all = combinations();
  const left = all.values();
  const suites = new Map();
  const boots = new Map();
  const worker = async () => {
    for (const words of left) {
      const seconds = await run(guest, words, 1).catch((error) => {
        all.length = 0; // the other worker need not go on
        throw error;
      });
      const kernels = Object.keys(suite).map((name) => seconds.get(name));
      suites.set(
        words,
        kernels.reduce((sum, value) => sum + value, 0),
      );
      boots.set(words, seconds.get('boot'));
      const [boot, all_kernels] = [boots, suites].map((of) => of.get(words).toFixed(2));
      console.log(`--tlb ${words}: boot ${boot} s, suite ${all_kernels} s`);
    }
  };
  await Promise.all([worker(), worker()]);
  add('combinations', suites.size, 'choices');
  for (const [name, of] of Object.entries({ boot: boots, suite: suites })) {
    const values = [...of.values()];
    add(`combinations_${name}_median_s`, median(values), 's');
    add(`combinations_${name}_longest_s`, Math.max(...values), 's');
  }
}

async function main() {
  const string = { type: 'string' };
  const { values } = parseArgs({
    options: { json: string, rounds: string, only: string, help: { type: 'boolean' } },
  });
  if (values.help) return console.log(usage);
  const rounds = roundsOf(values.rounds, usage);
  const parts = {
    lookups,
    batches,
    guests: (add) => guests(add, rounds),
    combinations: everyCombination,
  };
  const only = values.only?.split(',') ?? ['lookups', 'batches', 'guests'];
  const odd = only.find((name) => !(name in parts));
  if (odd !== undefined) throw new Error(`there is no part ${odd}\n${usage}`);

  const { rows, add } = collectRows();
  for (const name of only) await parts[name](add);
  show(rows, (name) => GOALS[name], values.json);
}

runner(main);
