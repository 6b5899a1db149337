// npm run bench: sets up, builds everything that is compared, and runs tests/bench/run.mjs with the same arguments.

import { spawn } from 'node:child_process';
import { buildPage, buildWasm } from './build.mjs';
import { main, root } from './lib/steps.mjs';
import { setup } from './setup.mjs';

await main(async () => {
  await setup({ test: true });
  await buildWasm();
  await buildPage();
  const runner = spawn(process.execPath, ['tests/bench/run.mjs', ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
  });
  runner.on('exit', (code) => process.exit(code ?? 1));
});
