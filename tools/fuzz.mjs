// npm run fuzz: builds the fuzz targets of crate/fuzz with libFuzzer and runs each for a minute, from its seeds and what
// earlier runs have found (kept in build/fuzz). Ends with status 0 if nothing was found.
//
//   npm run fuzz                              every target, 60 seconds each
//   npm run fuzz -- --seconds 600 p9 image    only these targets, for longer (or --targets p9,image)
//   npm run fuzz -- --sanitizer none          without AddressSanitizer: faster, blind to wrong `unsafe`
//
// It needs a C++ compiler for libFuzzer, but neither cargo-fuzz nor a nightly toolchain.

import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Failure, build, main, root, run, step } from './lib/steps.mjs';

const crate = path.join(root, 'crate', 'fuzz');

/** What makes the compiler count the branches taken, for libFuzzer to steer by. */
const COVERAGE = [
  '-Cpasses=sancov-module',
  '-Cllvm-args=-sanitizer-coverage-level=4',
  '-Cllvm-args=-sanitizer-coverage-inline-8bit-counters',
  '-Cllvm-args=-sanitizer-coverage-pc-table',
  '-Cllvm-args=-sanitizer-coverage-trace-compares',
  '-Ccodegen-units=1',
  '--cfg fuzzing',
];

/** Longest one input may take, in seconds, and the most memory, in megabytes: more is a finding. */
const LIMITS = ['-timeout=10', '-rss_limit_mb=2048'];

/** AddressSanitizer is in stable's runtime libraries, only its flag is not stable. Leaks need rights we may not have. */
const ADDRESS = {
  flags: ['-Zsanitizer=address'],
  env: { RUSTC_BOOTSTRAP: '1', ASAN_OPTIONS: 'detect_leaks=0' },
};
const SANITIZERS = { address: ADDRESS, none: { flags: [], env: {} } };

function readArguments() {
  const { values, positionals } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      targets: { type: 'string', default: '' },
      sanitizer: { type: 'string', default: process.platform === 'linux' ? 'address' : 'none' },
    },
    allowPositionals: true,
  });
  const seconds = Number(values.seconds);
  if (!Number.isInteger(seconds) || seconds < 1) throw new Failure('--seconds takes a whole number');
  const sanitizer = SANITIZERS[values.sanitizer];
  if (!sanitizer) throw new Failure(`--sanitizer takes ${Object.keys(SANITIZERS).join(' or ')}`);
  const all = readdirSync(path.join(crate, 'seeds')).sort();
  const wanted = [...values.targets.split(',').filter((name) => name !== ''), ...positionals];
  const unknown = wanted.find((name) => !all.includes(name));
  if (unknown) throw new Failure(`there is no fuzz target ${unknown}; there are ${all.join(', ')}`);
  return { targets: wanted.length > 0 ? wanted : all, seconds, sanitizer };
}

/** What libFuzzer prints at its end, in a few words. */
function summary(output) {
  const [, executions, seconds] = /^Done (\d+) runs in (\d+)/m.exec(output) ?? [0, 0, 1];
  const branches = [...output.matchAll(/ cov: (\d+) /g)].at(-1)?.[1] ?? '?';
  return `${Math.round(executions / Math.max(seconds, 1))} executions a second, ${branches} branches seen`;
}

await main(async () => {
  const { targets, seconds, sanitizer } = readArguments();
  const about = await run('rustc', ['-vV'], { stdout: true });
  const host = /^host: (.+)$/m.exec(about)?.[1];
  // Naming the target keeps the flags from build scripts.
  const args = ['build', '--locked', '--release', '--target', host];
  const flags = [...COVERAGE, ...sanitizer.flags].join(' ');
  await step('build of the fuzz targets', () =>
    run('cargo', args, { cwd: crate, env: { ...sanitizer.env, RUSTFLAGS: flags } }),
  );
  for (const target of targets) {
    const found = path.join(build, 'fuzz', target);
    mkdirSync(found, { recursive: true });
    const output = await step(`fuzzing of ${target}`, () =>
      run(
        path.join(crate, 'target', host, 'release', target),
        [
          `-max_total_time=${seconds}`,
          ...LIMITS,
          `-artifact_prefix=${path.join(build, 'fuzz', `${target}-`)}`,
          found,
          path.join(crate, 'seeds', target),
        ],
        { env: sanitizer.env, log: path.join(build, 'fuzz', `${target}.log`) },
      ),
    );
    console.log(`  ${summary(output)}`);
  }
});
