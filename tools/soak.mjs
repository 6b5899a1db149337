// npm run soak: sets up, builds what the soak test runs, and runs tests/soak/run.mjs with the same arguments.

import { parse, UsageError, usage } from '../tests/soak/options.mjs';
import { buildPage, buildWasm } from './build.mjs';
import { Failure, handOver, main } from './lib/steps.mjs';
import { setup } from './setup.mjs';

await main(async () => {
  const words = process.argv.slice(2);
  // Mistakes are told before anything is built.
  const wanted = check(words);
  if (wanted.help) return console.log(usage);
  await setup({ test: true });
  if (wanted.runs.some(({ where }) => where === 'page')) {
    await buildWasm();
    await buildPage();
  }
  handOver('tests/soak/run.mjs', words);
});

function check(words) {
  try {
    return parse(words);
  } catch (error) {
    throw error instanceof UsageError ? new Failure(`${error.message}\n${usage}`) : error;
  }
}
