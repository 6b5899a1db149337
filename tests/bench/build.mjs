// Builds the benchmark program, one static binary for each machine, into target/bench/.
//
//   node tests/bench/build.mjs [riscv64] [amd64] [i386]     the first two when none is named
//   import { buildBench } from './build.mjs'; buildBench('riscv64')     -> path of the binary
//
// Other programs for guests are built with the same compilers: see `compile`.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const sources = join(here, 'src');
const output = join(here, '../../target/bench');

const compilers = {
  riscv64: {
    command: 'riscv64-linux-gnu-gcc',
    package: 'gcc-riscv64-linux-gnu',
    flags: ['-march=rv64gc', '-mabi=lp64d'],
  },
  amd64: { command: 'gcc', package: 'gcc', flags: ['-m64', '-march=x86-64'] },
  // SSE2 as on amd64: the x87 rounds to another precision, and emulators are slower at it.
  i386: {
    command: 'i686-linux-gnu-gcc',
    package: 'gcc-i686-linux-gnu',
    flags: ['-march=pentium4', '-mfpmath=sse'],
  },
};

// -ffp-contract=off: RISC-V would fuse multiply and add, plain x86-64 cannot, and the checksums would differ.
const flags = [
  '-O2',
  '-static',
  '-std=gnu11',
  '-Wall',
  '-Wextra',
  '-ffp-contract=off',
  '-Wl,--build-id=none',
  '-s',
];

/**
 * Builds (when older than its sources) the program `binary` for `machine`, one of the above, and returns its path. `files`
 * are its sources and what they include.
 */
export function compile(machine, binary, files) {
  const { command, package: name, flags: own } = compilers[machine];
  const newest = Math.max(
    ...[...files, fileURLToPath(import.meta.url)].map((file) => statSync(file).mtimeMs),
  );
  const built = statSync(binary, { throwIfNoEntry: false });
  if (built && built.mtimeMs > newest) return binary;
  mkdirSync(dirname(binary), { recursive: true });
  const inputs = files.filter((file) => file.endsWith('.c')).sort();
  try {
    execFileSync(command, [...flags, ...own, '-o', binary, ...inputs], { stdio: 'inherit' });
  } catch (error) {
    if (error.code === 'ENOENT')
      throw new Error(`${command} is missing: install Debian's package ${name}`, { cause: error });
    throw new Error(`${command} could not build ${basename(binary)} (see above)`, { cause: error });
  }
  return binary;
}

/** Builds (when older than its sources) the benchmark program for `machine`, one of the above, and returns its path. */
export function buildBench(machine) {
  const files = readdirSync(sources).map((file) => join(sources, file));
  return compile(machine, join(output, `bench-${machine}`), files);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const named = process.argv.slice(2);
  for (const machine of named.length > 0 ? named : ['riscv64', 'amd64']) console.log(buildBench(machine));
}
