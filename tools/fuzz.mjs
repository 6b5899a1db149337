// npm run fuzz: builds the fuzz targets of crate/fuzz with libFuzzer and runs each for a minute, from its seeds and what
// earlier runs have found (kept in build/fuzz). Ends with status 0 if nothing was found.
//
//   npm run fuzz                              every target, 60 seconds each
//   npm run fuzz -- --seconds 600 p9          only these targets, for longer
//
// It needs a C++ compiler for libFuzzer, but neither cargo-fuzz nor a nightly toolchain.

import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
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

function readArguments() {
  const all = readdirSync(path.join(crate, 'seeds')).sort();
  const targets = process.argv.slice(2);
  let seconds = 60;
  const at = targets.indexOf('--seconds');
  if (at >= 0) {
    seconds = Number(targets[at + 1]);
    if (!Number.isInteger(seconds) || seconds < 1) throw new Failure('--seconds takes a whole number');
    targets.splice(at, 2);
  }
  const unknown = targets.find((target) => !all.includes(target));
  if (unknown) throw new Failure(`there is no fuzz target ${unknown}; there are ${all.join(', ')}`);
  return { targets: targets.length > 0 ? targets : all, seconds };
}

await main(async () => {
  const { targets, seconds } = readArguments();
  const about = await run('rustc', ['-vV'], { stdout: true });
  const host = /^host: (.+)$/m.exec(about)?.[1];
  // Naming the target keeps the flags from build scripts.
  const args = ['build', '--locked', '--release', '--target', host];
  await step('build of the fuzz targets', () =>
    run('cargo', args, { cwd: crate, env: { RUSTFLAGS: COVERAGE.join(' ') } }),
  );
  for (const target of targets) {
    const found = path.join(build, 'fuzz', target);
    mkdirSync(found, { recursive: true });
    await step(`fuzzing of ${target}`, () =>
      run(
        path.join(crate, 'target', host, 'release', target),
        [
          `-max_total_time=${seconds}`,
          ...LIMITS,
          `-artifact_prefix=${path.join(build, 'fuzz', `${target}-`)}`,
          found,
          path.join(crate, 'seeds', target),
        ],
        { log: path.join(build, 'fuzz', `${target}.log`) },
      ),
    );
  }
});
