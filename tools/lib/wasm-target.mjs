// Rust's standard library for wasm32-unknown-unknown: by rustup, else built from Debian's copy of its source.

import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { download } from './debian.mjs';
import { Failure, build, run, step, which } from './steps.mjs';

const TARGET = 'wasm32-unknown-unknown';

/** Sees to it that the compiler in use can build for the web. */
export async function installWasmTarget() {
  const sysroot = (await run('rustc', ['--print', 'sysroot'], { stdout: true })).trim();
  const libraries = path.join(sysroot, 'lib/rustlib', TARGET, 'lib');
  if (existsSync(libraries) && readdirSync(libraries).some((file) => /^libstd-.*\.rlib$/.test(file))) return;
  let refusal = 'rustup is not installed';
  if (which('rustup') && !process.env.TABVISOR_NO_RUSTUP) {
    try {
      return await step(`Rust's standard library for ${TARGET}`, () =>
        run('rustup', ['target', 'add', TARGET]),
      );
    } catch (error) {
      refusal = error.message;
    }
  }
  try {
    await step(`Rust's standard library for ${TARGET}, from Debian's source`, () =>
      buildFromSource(libraries),
    );
  } catch (error) {
    throw new Failure(
      `Cannot get Rust's standard library for ${TARGET}.\n` +
        `rustup target add ${TARGET}: ${refusal}\n\nFrom Debian's source: ${error.message}`,
    );
  }
}

/** Builds it as Rust's own distribution does. The source must be of exactly the compiler's version. */
async function buildFromSource(libraries) {
  const version = (await run('rustc', ['--version'], { stdout: true })).split(' ')[1];
  const folder = path.join(build, 'rust-src');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const suites = ['trixie', 'trixie-backports'];
  const file = await download('rust-src', suites, (found) => found.startsWith(`${version}+`), folder);
  await run('sh', ['-c', 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2"', 'sh', file, folder]);
  const source = path.join(folder, `usr/src/rustc-${version}`);
  const target = path.join(folder, 'target');
  await run(
    'cargo',
    [
      'build',
      '--profile',
      'dist',
      '--target',
      TARGET,
      '--features',
      'panic-unwind backtrace',
      '--target-dir',
      target,
    ],
    {
      cwd: path.join(source, 'library/sysroot'),
      env: {
        // The source is its own nightly; this is how its own build calls the compiler.
        RUSTC_BOOTSTRAP: '1',
        __CARGO_DEFAULT_LIB_METADATA: 'stablestd',
        RUSTFLAGS: '-Zforce-unstable-if-unmarked',
      },
    },
  );
  mkdirSync(libraries, { recursive: true });
  const made = path.join(target, TARGET, 'dist/deps');
  for (const name of readdirSync(made).filter((name) => name.endsWith('.rlib'))) {
    cpSync(path.join(made, name), path.join(libraries, name));
  }
  rmSync(folder, { recursive: true, force: true });
}
