// Set-up: gets what building, serving and testing need, and says nothing of what is there.
//
//   npm run setup              what `npm start` needs
//   npm run setup -- --test    what `npm test` needs as well

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { installTestPackages } from './lib/debian.mjs';
import { Failure, build, fingerprint, isMain, main, once, root, run, step, which } from './lib/steps.mjs';
import { installWasmTarget } from './lib/wasm-target.mjs';

const NODE = [20, 9];
const RUST = [1, 95];

/** A build that takes less than this many milliseconds found nothing to do. */
export const UNCHANGED = 2500;

/** The command line, built. */
export const tabvisor = path.join(root, 'target/release/tabvisor');

/** The folder of wasm-bindgen's two programs. */
export const bindgen = path.join(build, 'bindgen/debug');

/**
 * Sets up. With `test`, a guest that cannot be got is an error, and the tests' own tools are installed. `meanwhile` is
 * called to compile what else is needed while the command line is built, which for most of the time takes one core.
 */
export async function setup({ test = false, meanwhile = async () => {} } = {}) {
  checkNode();
  await checkRust();
  await nodePackages();
  if (test) await installTestPackages();
  await installWasmTarget();
  await bindgenPrograms();
  const compiling = meanwhile();
  try {
    await commandLine();
  } finally {
    await compiling;
  }
  await guests(test);
}

function checkNode() {
  if (!atLeast(process.versions.node, NODE)) {
    throw new Failure(`Node ${NODE.join('.')} or newer is needed; this is ${process.versions.node}.`);
  }
}

async function checkRust() {
  if (!which('cargo')) {
    // rustup's folder is in the PATH of new shells only.
    const folder = path.join(process.env.CARGO_HOME ?? path.join(process.env.HOME ?? '', '.cargo'), 'bin');
    if (!existsSync(path.join(folder, 'cargo'))) {
      throw new Failure(`Rust is not installed: install Rust ${RUST.join('.')} or newer with rustup.`);
    }
    process.env.PATH = `${folder}${path.delimiter}${process.env.PATH}`;
  }
  const version = (await run('rustc', ['--version'], { stdout: true })).split(' ')[1];
  if (!atLeast(version, RUST)) {
    throw new Failure(`Rust ${RUST.join('.')} or newer is needed; this is ${version}: run rustup update.`);
  }
}

function atLeast(version, [major, minor]) {
  const [ours, lesser] = version.split('.').map(Number);
  return ours > major || (ours === major && lesser >= minor);
}

function nodePackages() {
  return once(
    path.join(root, 'node_modules/.tabvisor'),
    `${fingerprint('package-lock.json')} node ${process.versions.node}`,
    'Node packages',
    () => run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']),
  );
}

/** wasm-bindgen's programs understand only modules made by the very same version of its crate. */
function bindgenPrograms() {
  const version = (name) => {
    const lock = readFileSync(path.join(root, name), 'utf8');
    return lock.match(/name = "wasm-bindgen"\nversion = "([^"]*)"/)?.[1];
  };
  const wanted = version('Cargo.lock');
  const own = readFileSync(path.join(root, 'tools/bindgen/Cargo.toml'), 'utf8').match(
    /cli = .*"=([^"]*)"/,
  )?.[1];
  if (wanted !== own) {
    throw new Failure(
      `Cargo.lock has wasm-bindgen ${wanted}, tools/bindgen/Cargo.toml ${own}: make them the same.`,
    );
  }
  return once(
    path.join(bindgen, 'stamp'),
    fingerprint('tools/bindgen'),
    'wasm-bindgen (several minutes, once)',
    () =>
      run('cargo', ['build', '--locked', '--target-dir', path.join(build, 'bindgen')], {
        cwd: path.join(root, 'tools/bindgen'),
      }),
  );
}

function commandLine() {
  const flags = ['build', '--release', '--locked', '--bin', 'tabvisor'];
  return step('tabvisor, the command line', () => run('cargo', flags), UNCHANGED);
}

async function guests(test) {
  // Only tests need Python; others get it when they ask for it.
  const names = ['debian', 'opensbi', 'u-boot', ...(test ? ['python'] : [])];
  try {
    await step('guests from Debian', () => run(tabvisor, ['guest', 'fetch', ...names]), UNCHANGED);
  } catch (error) {
    if (test) throw error;
    console.log(`${error.message}\nThe page will boot the built-in monitor; a kernel can be chosen in it.`);
  }
}

if (isMain(import.meta.url)) {
  await main(() => setup({ test: process.argv.includes('--test') }));
}
