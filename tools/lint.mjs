// Formatting and lints of everything; warnings are errors. `npm run lint -- --fix` puts the layout right first.

import path from 'node:path';
import { buildWasm } from './build.mjs';
import { isMain, main, root, run, step } from './lib/steps.mjs';
import { setup } from './setup.mjs';

/** Runs a program of a Node package. */
const node = (program, ...flags) =>
  run(process.execPath, [path.join(root, 'node_modules', program), ...flags]);

/** Everything the layout tool sees; what it leaves out is in .prettierignore. */
const LAYOUT = ['.', '--log-level', 'warn'];

const WEB_TESTS = ['wasm', 'wasm_browser', 'wasm_code', 'wasm_lockstep'];

/** The lints, each a name and a function that fails when the lint does. */
export const LINTS = [
  ['rustfmt', () => run('cargo', ['fmt', '--all', '--check'])],
  [
    'clippy',
    () => run('cargo', ['clippy', '--locked', '--workspace', '--all-targets', '--', '-D', 'warnings']),
  ],
  [
    'clippy for the web',
    () =>
      run('cargo', [
        // What there is for the web: the benches, and the other tests, are native.
        ...['clippy', '--locked', '--lib', ...WEB_TESTS.flatMap((name) => ['--test', name])],
        ...['--target', 'wasm32-unknown-unknown', '--', '-D', 'warnings'],
      ]),
  ],
  ['prettier', () => node('prettier/bin/prettier.cjs', '--check', ...LAYOUT)],
  ['eslint', () => node('eslint/bin/eslint.js', '--max-warnings', '0', '.')],
];

/** The types of the page; they include those of the wasm module, which must have been built. */
export const types = () => node('typescript/bin/tsc', '--noEmit', '-p', '.');

if (isMain(import.meta.url)) {
  await main(async () => {
    await setup();
    if (process.argv.includes('--fix')) {
      await run('cargo', ['fmt', '--all']);
      await node('prettier/bin/prettier.cjs', '--write', ...LAYOUT);
    }
    for (const [name, work] of LINTS) await step(name, work);
    await buildWasm();
    await step('tsc', types);
  });
}
