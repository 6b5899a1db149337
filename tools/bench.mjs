// npm run bench: sets up, builds everything that is compared, and runs tests/bench/run.mjs with the same arguments; with
// `mem` in front of them tests/bench/mem.mjs, which needs no page.

import { buildPage, buildWasm } from './build.mjs';
import { handOver, main } from './lib/steps.mjs';
import { setup } from './setup.mjs';

await main(async () => {
  const words = process.argv.slice(2);
  const memory = words[0] === 'mem';
  await setup({ test: true });
  if (!memory) {
    await buildWasm();
    await buildPage();
  }
  if (memory) handOver('tests/bench/mem.mjs', words.slice(1));
  else handOver('tests/bench/run.mjs', words);
});
