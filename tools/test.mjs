// npm test: sets up, then runs every check and test there is. Goes on after a failure, tells all failures at the end,
// and ends with a line that counts.
//
//   npm test                    all
//   npm test -- cargo page      only the steps whose names contain one of these words

import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { buildPage, buildWasm } from './build.mjs';
import { LINTS, types } from './lint.mjs';
import { Failure, build, main, root, run, since, step, which } from './lib/steps.mjs';
import { UNCHANGED, bindgen, setup, tabvisor } from './setup.mjs';
import { CARGO, TAP, WASM } from './lib/counts.mjs';

const logs = path.join(build, 'logs');
const NATIVE_TESTS = ['test', '--locked', '--workspace', '--no-fail-fast'];

const WASM_TESTS = [
  ...['test', '--locked', '--target', 'wasm32-unknown-unknown'],
  ...['wasm', 'wasm_code', 'wasm_lockstep'].flatMap((name) => ['--test', name]),
];

/** Compiles tests, so that their steps need not. What fails here fails again in its step, which tells of it. */
async function compile(tests) {
  for (const flags of tests) await run('cargo', [...flags, '--no-run']).catch(() => {});
}

/** Runs the wasm-bindgen tests; `env` chooses where. */
function wasmTests(log, env = {}) {
  return run('cargo', WASM_TESTS, {
    log,
    env: {
      CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER: path.join(bindgen, 'wasm-bindgen-test-runner'),
      WASM_BINDGEN_TEST_TIMEOUT: '300',
      ...env,
    },
  });
}

/** Runs Node's tests in a folder, one file at a time: they measure and they start browsers. */
function nodeTests(log, folder) {
  const files = readdirSync(path.join(root, folder), { recursive: true })
    .filter((name) => name.endsWith('.test.mjs'))
    .map((name) => path.join(folder, name))
    .sort();
  if (files.length === 0) throw new Failure(`${folder} has no tests`);
  const flags = ['--test', '--test-reporter=tap', '--test-concurrency=1', '--test-timeout=900000'];
  return run(process.execPath, [...flags, ...files], { log, env: { TABVISOR: tabvisor } });
}

/**
 * What is run, in order: a name, a function, how to read what it printed (without that the step counts as one), and
 * cargo's words if it is cargo that compiles its tests.
 */
const STEPS = [
  ...LINTS,
  [
    'build of the page',
    async () => {
      await buildWasm();
      await buildPage();
    },
  ],
  ['tsc', types],
  ['cargo', (log) => run('cargo', NATIVE_TESTS, { log }), CARGO, NATIVE_TESTS],
  ['wasm in Node', (log) => wasmTests(log), WASM, WASM_TESTS],
  [
    'wasm in Chromium',
    (log) =>
      wasmTests(log, {
        CHROMEDRIVER: which('chromedriver'),
        WASM_BINDGEN_USE_BROWSER: '1',
      }),
    WASM,
    WASM_TESTS,
  ],
  ['tools', (log) => nodeTests(log, 'tests/tools'), TAP],
  ['test guests', (log) => nodeTests(log, 'tests/guests'), TAP],
  ['benchmark runner', (log) => nodeTests(log, 'tests/bench'), TAP],
  ['soak runner', (log) => nodeTests(log, 'tests/soak'), TAP],
  ['page', (log) => nodeTests(log, 'tests/browser'), TAP],
];

await main(async () => {
  const start = Date.now();
  const words = process.argv.slice(2);
  const steps = STEPS.filter(([name]) => words.length === 0 || words.some((word) => name.includes(word)));
  if (steps.length === 0)
    throw new Failure(`no step is called ${words.join(' or ')}: ${STEPS.map(([name]) => name).join(', ')}`);
  const tests = new Set(steps.flatMap(([, , , flags]) => (flags ? [flags] : [])));
  const meanwhile = () => step('the tests, compiled', () => compile(tests), UNCHANGED);
  await setup({ test: true, meanwhile });
  mkdirSync(logs, { recursive: true });

  const results = [];
  for (const [name, work, reader] of steps) results.push(await attempt(name, work, reader));

  console.log(`\n${since(start)} in all`);
  const failures = results.filter((result) => result.failed > 0);
  for (const { name, message } of failures) console.log(`\n--- ${name} ---\n${message}`);
  console.log('');
  for (const { name, passed, failed } of results) console.log(`${name}: ${passed} passed, ${failed} failed`);
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
  if (failures.length > 0) process.exitCode = 1;
});

/** The first lines of what may be very long. */
function shortened(text) {
  const lines = text.split('\n');
  return lines.length > 40 ? [...lines.slice(0, 40), '…'].join('\n') : text;
}

/** Runs a step. It has failed if its program says so, or if it ran no test where it should have. */
async function attempt(name, work, reader) {
  const log = path.join(logs, `${name.replaceAll(' ', '-')}.log`);
  let output;
  let message = '';
  try {
    output = (await step(name, () => work(log))) ?? '';
  } catch (error) {
    output = error.output ?? '';
    message = error instanceof Failure ? error.message : (error.stack ?? String(error));
  }
  if (!reader) return { name, message, passed: message ? 0 : 1, failed: message ? 1 : 0 };
  const { passed, failed } = reader.count(output);
  if (message) {
    const where = existsSync(log) ? `\n(all of it: ${path.relative(root, log)})` : '';
    // A build that fails runs no test: still a failure.
    const found = [message + where, ...reader.failures(output).map(shortened)].join('\n\n');
    return { name, message: found, passed, failed: Math.max(failed, 1) };
  }
  if (failed > 0) return { name, message: 'tests failed', passed, failed };
  if (passed === 0) return { name, message: 'no test ran', passed, failed: 1 };
  return { name, message, passed, failed };
}
