// Builds the page: the machine as wasm into www/wasm, the page around it into www/dist.

import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { build, fingerprint, isMain, main, once, root, run, step } from './lib/steps.mjs';
import { UNCHANGED, bindgen, setup } from './setup.mjs';

/** Compiles the crate for the web and makes its JavaScript. */
export async function buildWasm() {
  const target = 'wasm32-unknown-unknown';
  const flags = ['build', '--locked', '--lib', '--profile', 'wasm', '--target', target];
  await step('the machine, for the web', () => run('cargo', flags), UNCHANGED);
  const compiled = path.relative(root, path.join(root, 'target', target, 'wasm/tabvisor.wasm'));
  const stamp = path.join(build, 'wasm.stamp');
  const inputs = fingerprint(compiled, 'tools/bindgen/Cargo.toml', 'tools/build.mjs');
  const output = path.join(root, 'www/wasm');
  const present = existsSync(path.join(output, 'tabvisor_bg.wasm'));
  if (!present) rmSync(stamp, { force: true });
  await once(stamp, inputs, 'wasm-bindgen', async () => {
    mkdirSync(output, { recursive: true });
    // No wasm-opt: at -O3 the module is a fifth smaller, but boots Linux 8 to 12 % slower (docs/measurements.md).
    await run(path.join(bindgen, 'wasm-bindgen'), [
      ...['--target', 'web', '--out-dir', output, '--out-name', 'tabvisor', compiled],
    ]);
  });
}

/** Bundles the page. */
export async function buildPage() {
  const stamp = path.join(build, 'page.stamp');
  const inputs = fingerprint(
    'www/index.html',
    'www/src',
    'www/wasm',
    'webpack.config.js',
    'tsconfig.json',
    'package-lock.json',
  );
  const present = existsSync(path.join(root, 'www/dist/index.html'));
  if (!present) rmSync(stamp, { force: true });
  await once(stamp, inputs, 'the page', () =>
    run(process.execPath, [path.join(root, 'node_modules/webpack/bin/webpack.js'), '--mode', 'production']),
  );
}

if (isMain(import.meta.url)) {
  await main(async () => {
    await setup();
    await buildWasm();
    await buildPage();
    const module = path.join(root, 'www/wasm/tabvisor_bg.wasm');
    const kilobytes = (bytes) => `${Math.round(bytes / 1000)} KB`;
    const zipped = gzipSync(readFileSync(module)).length;
    console.log(`www/dist; the machine is ${kilobytes(statSync(module).size)}, ${kilobytes(zipped)} gzipped`);
  });
}
