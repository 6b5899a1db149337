// npm run bench: sets up, builds everything that is compared, and runs tests/bench/run.mjs with the same arguments; with
// `gc` or `mem` in front of them tests/bench/gc.mjs or mem.mjs, which needs no page.

import { buildPage, buildWasm } from './build.mjs';
import { handOver, main } from './lib/steps.mjs';
import { setup } from './setup.mjs';

await main(async () => {
  const words = process.argv.slice(2);
  const part = ['gc', 'mem'].find((name) => name === words[0]);
  await setup({ test: true });
  if (part !== 'mem') {
    await buildWasm();
    await buildPage();
  }
  handOver(`tests/bench/${part ?? 'run'}.mjs`, part ? words.slice(1) : words);
});
