// npm run bench:passes:time: what each pass of the compiler, and its hot tier, is worth in the running time of the benchmark's
// kernels.
//
// Debian is booted and the kernels are run with all passes, with each of them missing in turn, with none, and with a hot
// tier that comes so soon that most of what runs is in it; several rounds of that, each beginning with another way, so that
// whatever else the machine does meets all alike. The least host CPU time of each counts: other work only ever adds to it.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { prepareGuest } from './debian.mjs';
import { roundsOf, run } from './parts.mjs';
import { Page } from './engines/page.mjs';
import { Tabvisor } from './engines/process.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const checksums = JSON.parse(readFileSync(join(here, 'checksums.json'), 'utf8'));

const usage = `npm run bench:passes:time -- [--rounds N]    (default 3)
                              [--where native|page] (default native)
                              [--kernels ${Object.keys(checksums).join(',')}]`;

/** Turns of the guest, so soon that the hot tier comes. */
const SOON = 20;

/** An engine that is told this about its compiler. */
const PLACES = {
  native: (told) =>
    new Tabvisor(
      'jit',
      Object.entries(told).flatMap(([name, words]) => [`--${name}`, words]),
    ),
  page: (told) => new Page('jit', false, told),
};

/** The names of the passes: the program says them when it is given another. */
function passes() {
  const binary = join(here, '../../target/release/tabvisor');
  const { stderr, error } = spawnSync(binary, ['run', '--passes', '?'], { encoding: 'utf8' });
  if (error) throw error;
  const names = /there are all, none, ([a-z, -]+)/.exec(stderr)?.[1];
  if (!names) throw new Error(`the passes are not known: ${stderr}`);
  return names.split(', ');
}

/** One boot and the kernels, each twice: the least CPU seconds by name. */
async function measure(engine, kernels, guest) {
  const seconds = new Map();
  try {
    seconds.set('boot', (await engine.boot(guest)).cpu_s);
    for (const kernel of kernels) {
      for (let time = 0; time < 2; time++) {
        const { cpu_s, checksum } = await engine.run(kernel);
        if (checksum !== checksums[kernel]) throw new Error(`${kernel} is wrong`);
        seconds.set(kernel, Math.min(cpu_s, seconds.get(kernel) ?? Infinity));
      }
    }
  } finally {
    await engine.close();
  }
  return seconds;
}

/** A Markdown table: each kernel's seconds in the first way, and how many times that it takes in the other ways. */
function table(best) {
  const [all, ...others] = best.keys();
  const kernels = [...best.get(all).keys()];
  const ratio = (way, kernel) => best.get(way).get(kernel) / best.get(all).get(kernel);
  const mean = (way) => {
    const logs = kernels.filter((kernel) => kernel !== 'boot').map((kernel) => Math.log(ratio(way, kernel)));
    return Math.exp(logs.reduce((sum, log) => sum + log, 0) / logs.length);
  };
  return [
    `| | all, s | ${others.join(' | ')} |`,
    `|---|${'--:|'.repeat(best.size)}`,
    ...kernels.map((kernel) => {
      const cells = others.map((way) => ratio(way, kernel).toFixed(2));
      return `| ${kernel} | ${best.get(all).get(kernel).toFixed(2)} | ${cells.join(' | ')} |`;
    }),
    `| mean | | ${others.map((way) => mean(way).toFixed(3)).join(' | ')} |`,
  ].join('\n');
}

async function main() {
  const string = { type: 'string' };
  const options = { rounds: string, where: string, kernels: string, help: { type: 'boolean' } };
  const { values } = parseArgs({ options });
  if (values.help) return console.log(usage);
  const rounds = roundsOf(values.rounds, usage);
  const place = PLACES[values.where ?? 'native'];
  if (!place) throw new Error(`there is no ${values.where}\n${usage}`);
  const kernels = values.kernels?.split(',') ?? Object.keys(checksums);
  const odd = kernels.find((kernel) => !(kernel in checksums));
  if (odd !== undefined) throw new Error(`there is no kernel ${odd}\n${usage}`);
  await place({}).needs();
  const guest = prepareGuest();
  const ways = [
    ['all', {}],
    ...passes().map((pass) => [`without ${pass}`, { passes: `all,-${pass}` }]),
    ['none', { passes: 'none' }],
    ['hot tier soon', { tiers: `hot=${SOON}` }],
  ];
  const best = new Map(ways.map(([name]) => [name, new Map()]));
  for (let round = 1; round <= rounds; round++) {
    const first = Math.floor(((round - 1) * ways.length) / rounds);
    for (const [name, told] of [...ways.slice(first), ...ways.slice(0, first)]) {
      console.error(`round ${round} of ${rounds}: ${name}`);
      for (const [kernel, seconds] of await measure(place(told), kernels, guest)) {
        best.get(name).set(kernel, Math.min(seconds, best.get(name).get(kernel) ?? Infinity));
      }
    }
  }
  console.log(table(best));
}

run(main);
