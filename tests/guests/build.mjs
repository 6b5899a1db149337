// Builds the embedded guest, tests/guests/monitor/monitor.elf, which is kept in the repository so that machines without
// a cross compiler have it. The same compiler makes the same bytes: no build id, no paths, no symbols.
//
//   node tests/guests/build.mjs            rebuild it
//   node tests/guests/build.mjs --check    fail if the kept file is not what its sources give
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const compiler = 'riscv64-unknown-elf-gcc';
const monitor = join(dirname(fileURLToPath(import.meta.url)), 'monitor');
const kernels = join(monitor, '../../bench/src');
const kept = join(monitor, 'monitor.elf');
const linuxOnly = ['main.c', 'linux.c'];

const flags = [
  '-march=rv64gc',
  '-mabi=lp64d',
  '-mcmodel=medany',
  '-std=gnu11',
  '-O2',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-ffreestanding',
  '-fno-common',
  '-fno-pic',
  '-fno-asynchronous-unwind-tables',
  '-fno-strict-aliasing',
  '-ffp-contract=off', // as tests/bench/build.mjs: the checksums must agree
  '-fno-tree-loop-distribute-patterns', // or memset's own loop would become a call of memset
  '-nostdlib',
  '-static',
  '-s',
  '-Wl,--build-id=none',
  '-Wl,-T,monitor.ld',
];

function build(output) {
  const own = readdirSync(monitor)
    .filter((file) => /\.[cS]$/.test(file))
    .sort();
  const shared = readdirSync(kernels)
    .filter((file) => file.endsWith('.c') && !linuxOnly.includes(file))
    .sort();
  const inputs = [...own, ...shared.map((file) => relative(monitor, join(kernels, file)))];
  try {
    execFileSync(compiler, [...flags, '-o', output, ...inputs], { cwd: monitor, stdio: 'inherit' });
  } catch (error) {
    if (error.code === 'ENOENT')
      throw new Error(`${compiler} is missing: install Debian's package gcc-riscv64-unknown-elf`, {
        cause: error,
      });
    throw new Error(`${compiler} could not build the monitor (see above)`, { cause: error });
  }
}

const folder = mkdtempSync(join(tmpdir(), 'tabvisor-monitor-'));
try {
  const built = join(folder, basename(kept));
  build(built);
  const same = (() => {
    try {
      return readFileSync(built).equals(readFileSync(kept));
    } catch {
      return false;
    }
  })();
  if (process.argv.includes('--check')) {
    if (!same)
      throw new Error(`${relative('.', kept)} is not what its sources give: run node tests/guests/build.mjs`);
    console.log('monitor.elf is up to date');
  } else {
    if (!same) copyFileSync(built, kept);
    console.log(`${relative('.', kept)}: ${readFileSync(built).length} bytes${same ? ', unchanged' : ''}`);
  }
} catch (error) {
  console.error(`guests: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
