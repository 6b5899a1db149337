// npm run bench: the benchmark kernels on every engine, side by side in one run.
//
// Each engine boots the guest, with the benchmark program added to its initramfs; kernels are typed at its serial
// console, and the host CPU time that the emulator's process uses meanwhile is what counts.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { buildBench } from './build.mjs';
import { chart } from './chart.mjs';
import { prepareGuest } from './debian.mjs';
import { engines, usual, withGuest } from './engines.mjs';
import { figures, median, table } from './report.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const checksums = JSON.parse(readFileSync(join(here, 'checksums.json'), 'utf8'));
const allKernels = ['boot', ...Object.keys(checksums)];

/** How often a long wait says that it goes on. */
const PROGRESS_MS = 15_000;

const usage = `npm run bench -- [--engines ${Object.keys(engines).join(',')}]
                                (default ${usual.join(',')}; v86 and its
                                guest are got on first use)
                 [--kernels ${allKernels.join(',')}]
                 [--repeat N]   boots, and runs of each kernel; the median counts (default 1)
                 [--json FILE]  write the rows there
                 [--svg FILE]   write the chart there (default: docs/bench.svg, when every kernel is run)`;

class UsageError extends Error {}

/** A comma-separated list of known names, in their usual order. */
function list(text, known, what, usual = known) {
  if (text === undefined) return usual;
  const names = text.split(',').filter(Boolean);
  const odd = names.find((name) => !known.includes(name));
  if (odd !== undefined) throw new UsageError(`there is no ${what} ${odd}`);
  if (names.length === 0) throw new UsageError(`no ${what} named`);
  return known.filter((name) => names.includes(name));
}

function options() {
  const string = { type: 'string' };
  const help = { type: 'boolean' };
  let values;
  try {
    ({ values } = parseArgs({
      options: { engines: string, kernels: string, repeat: string, json: string, svg: string, help },
    }));
  } catch (error) {
    throw new UsageError(error.message);
  }
  const repeat = Number(values.repeat ?? 1);
  if (!Number.isInteger(repeat) || repeat < 1)
    throw new UsageError(`--repeat ${values.repeat}: a count from 1 is wanted`);
  return {
    help: values.help,
    engines: list(values.engines, Object.keys(engines), 'engine', usual),
    kernels: list(values.kernels, allKernels, 'kernel'),
    repeat,
    json: values.json,
    svg: values.svg ?? (values.kernels === undefined ? join(root, 'docs/bench.svg') : undefined),
  };
}

/** Waits for `work`; says now and then that it goes on, with the last line of the guest's console. */
async function patiently(engine, what, work) {
  const started = Date.now();
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - started) / 1000);
    console.error(`  ${what}: ${seconds} s so far; ${engine.console?.lastLine() ?? ''}`);
  }, PROGRESS_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

/** The row of some runs of a kernel on an engine: the medians; a wrong checksum, if one was wrong. */
function row(kernel, engine, runs) {
  const middle = (of) => Number(median(runs.map(of)).toFixed(3));
  const wrong = runs.find((run) => run.checksum !== checksums[kernel]);
  return {
    kernel,
    engine,
    cpu_s: middle((run) => run.cpu_s),
    wall_s: middle((run) => run.wall_s),
    checksum: (wrong ?? runs[0]).checksum ?? null,
  };
}

/**
 * Runs the kernels on all engines and hands each row to `add`. The engines take turns at every run of a kernel: where a
 * host is slower at one time than at another, it is so for all that are compared.
 */
async function measure({ engines: names, kernels, repeat }, guest, add) {
  const open = new Map();
  const inTurn = async (kernel, times, run) => {
    const runs = new Map(names.map((name) => [name, []]));
    for (let i = 0; i < times; i++) {
      // Back and forth: nobody comes always after the same.
      for (const name of i % 2 === 0 ? names : names.toReversed()) runs.get(name).push(await run(name));
    }
    if (!kernels.includes(kernel)) return;
    for (const name of names) if (runs.get(name)[0]) add(row(kernel, name, runs.get(name)));
  };
  try {
    // Each boot is of an engine that is new, and the last one stays.
    await inTurn('boot', kernels.includes('boot') ? repeat : 1, async (name) => {
      await open.get(name)?.close();
      const engine = engines[name]();
      open.set(name, engine);
      await engine.needs();
      return patiently(engine, `boot of ${name}`, engine.boot(guest));
    });
    for (const kernel of kernels.filter((kernel) => kernel !== 'boot'))
      await inTurn(kernel, repeat, (name) => {
        const engine = open.get(name);
        return patiently(engine, `${kernel} on ${name}`, engine.run(kernel));
      });
  } finally {
    await Promise.all([...open.values()].map((engine) => engine.close()));
  }
}

async function main() {
  const wanted = options();
  if (wanted.help) {
    console.log(usage);
    return;
  }
  // The slow part comes last: what is missing should be said before it.
  for (const name of wanted.engines) await engines[name]().needs();
  const guest = wanted.engines.some((name) => withGuest.includes(name)) ? prepareGuest() : {};
  guest.nativeBench = buildBench('amd64');

  const rows = [];
  const isWrong = ({ kernel, checksum }) => kernel !== 'boot' && checksum !== checksums[kernel];
  console.log('booting the guest on each engine');
  await measure(wanted, guest, (row) => {
    rows.push(row);
    const remark = isWrong(row) ? `  WRONG CHECKSUM ${row.checksum}, should be ${checksums[row.kernel]}` : '';
    console.log(
      `  ${row.kernel.padEnd(10)} ${row.engine.padEnd(12)} ${row.cpu_s.toFixed(2)} s of CPU, ${row.wall_s.toFixed(2)} s${remark}`,
    );
  });
  const place = ({ engine }) => wanted.engines.indexOf(engine);
  rows.sort((a, b) => place(a) - place(b));

  console.log(`\n${table(rows)}`);
  const reached = figures(rows);
  if (reached.length > 0) console.log(`\n${reached.map(({ text }) => text).join('\n')}`);
  if (wanted.json)
    writeFileSync(wanted.json, `[\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`);
  if (wanted.svg && wanted.engines.length > 1) {
    mkdirSync(dirname(wanted.svg), { recursive: true });
    writeFileSync(wanted.svg, chart(rows, wanted.engines[0]));
  }
  const wrong = rows.filter(isWrong);
  if (wrong.length > 0) {
    const names = wrong.map((row) => `${row.kernel} on ${row.engine}`).join(', ');
    throw new Error(`wrong checksums: ${names}`);
  }
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

main().catch((error) => {
  console.error(`bench: ${error.message}`);
  if (error instanceof UsageError) console.error(usage);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
