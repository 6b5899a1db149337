// npm run bench: sets up, builds everything that is compared, and runs tests/bench/run.mjs with the same arguments; with
// `mem` in front of them tests/bench/mem.mjs, which needs no page.

import { spawn } from 'node:child_process';
import { buildPage, buildWasm } from './build.mjs';
import { main, root } from './lib/steps.mjs';
import { setup } from './setup.mjs';

await main(async () => {
  const words = process.argv.slice(2);
  const memory = words[0] === 'mem';
  await setup({ test: true });
  if (!memory) {
    await buildWasm();
    await buildPage();
  }
  const program = memory ? ['tests/bench/mem.mjs', ...words.slice(1)] : ['tests/bench/run.mjs', ...words];
  const runner = spawn(process.execPath, program, {
    cwd: root,
    stdio: 'inherit',
  });
  runner.on('exit', (code) => process.exit(code ?? 1));
});
