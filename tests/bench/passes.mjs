// npm run bench:passes:time: what each pass of the compiler is worth in the running time of the benchmark's kernels.
//
// Debian is booted and the kernels are run natively with all passes, with each of them missing in turn, and with none;
// several rounds of that, each beginning with another set, so that whatever else the machine does meets all alike. The least
// host CPU time of each counts: other work only ever adds to it.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { prepareGuest } from './debian.mjs';
import { Tabvisor } from './engines/process.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const checksums = JSON.parse(readFileSync(join(here, 'checksums.json'), 'utf8'));

const usage = `npm run bench:passes:time -- [--rounds N]    (default 3)
                              [--kernels ${Object.keys(checksums).join(',')}]`;

/** The names of the passes: the program says them when it is given another. */
function passes() {
  const binary = join(here, '../../target/release/tabvisor');
  const { stderr, error } = spawnSync(binary, ['run', '--passes', '?'], { encoding: 'utf8' });
  if (error) throw error;
  const names = /there are all, none, ([a-z, -]+)/.exec(stderr)?.[1];
  if (!names) throw new Error(`the passes are not known: ${stderr}`);
  return names.split(', ');
}

/** One boot and the kernels with a set of passes: CPU seconds by name. */
async function measure(set, kernels, guest) {
  const engine = new Tabvisor('jit', ['--passes', set]);
  const seconds = new Map();
  try {
    seconds.set('boot', (await engine.boot(guest)).cpu_s);
    for (const kernel of kernels) {
      const { cpu_s, checksum } = await engine.run(kernel);
      if (checksum !== checksums[kernel]) throw new Error(`${kernel} is wrong with --passes ${set}`);
      seconds.set(kernel, cpu_s);
    }
  } finally {
    await engine.close();
  }
  return seconds;
}

/** A Markdown table: each kernel's seconds with all passes, and how many times that it takes with the other sets. */
function table(sets, best) {
  const [all, ...others] = sets;
  const kernels = [...best.get(all).keys()];
  const ratio = (set, kernel) => best.get(set).get(kernel) / best.get(all).get(kernel);
  const mean = (set) => {
    const logs = kernels.filter((kernel) => kernel !== 'boot').map((kernel) => Math.log(ratio(set, kernel)));
    return Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
  };
  const head = others.map((set) => set.replace('all,-', 'without '));
  return [
    `| | all, s | ${head.join(' | ')} |`,
    `|---|${'--:|'.repeat(sets.length)}`,
    ...kernels.map((kernel) => {
      const cells = others.map((set) => ratio(set, kernel).toFixed(2));
      return `| ${kernel} | ${best.get(all).get(kernel).toFixed(2)} | ${cells.join(' | ')} |`;
    }),
    `| mean | | ${others.map((set) => mean(set).toFixed(3)).join(' | ')} |`,
  ].join('\n');
}

async function main() {
  const string = { type: 'string' };
  const { values } = parseArgs({ options: { rounds: string, kernels: string, help: { type: 'boolean' } } });
  if (values.help) return console.log(usage);
  const rounds = Number(values.rounds ?? 3);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds: a count from 1 is wanted\n${usage}`);
  const kernels = values.kernels?.split(',') ?? Object.keys(checksums);
  const odd = kernels.find((kernel) => !(kernel in checksums));
  if (odd !== undefined) throw new Error(`there is no kernel ${odd}\n${usage}`);
  await new Tabvisor('jit').needs();
  const guest = prepareGuest();
  const sets = ['all', ...passes().map((pass) => `all,-${pass}`), 'none'];
  const best = new Map(sets.map((set) => [set, new Map()]));
  for (let round = 1; round <= rounds; round++) {
    const first = Math.floor(((round - 1) * sets.length) / rounds);
    for (const set of [...sets.slice(first), ...sets.slice(0, first)]) {
      console.error(`round ${round} of ${rounds}: --passes ${set}`);
      for (const [kernel, seconds] of await measure(set, kernels, guest)) {
        best.get(set).set(kernel, Math.min(seconds, best.get(set).get(kernel) ?? Infinity));
      }
    }
  }
  console.log(table(sets, best));
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));

main().catch((error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
