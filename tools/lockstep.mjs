// npm run lockstep: random programs under the compiler, held against the interpreter instruction by instruction. Ends with
// status 0 if they agree; otherwise the smallest program that shows the difference is printed.
//
//   npm run lockstep                          for a minute, from seed 1
//   npm run lockstep -- --minutes 10 --seed 7000
//
// A guest is run so by `tabvisor run --lockstep`.

import { parseArgs } from 'node:util';
import { Failure, main, run, step } from './lib/steps.mjs';

function number(name, text, least) {
  const value = Number(text);
  if (text.trim() === '' || !(value >= least))
    throw new Failure(`--${name} takes a number of at least ${least}`);
  return value;
}

await main(async () => {
  const { values } = parseArgs({
    options: { minutes: { type: 'string', default: '1' }, seed: { type: 'string', default: '1' } },
  });
  const seconds = Math.ceil(number('minutes', values.minutes, 0) * 60);
  const seed = number('seed', values.seed, 0);
  if (!Number.isInteger(seed)) throw new Failure('--seed takes a whole number');
  const env = { TABVISOR_LOCKSTEP_SECONDS: String(seconds), TABVISOR_LOCKSTEP_SEED: String(seed) };
  const args = ['test', '-p', 'tabvisor', '--test', 'lockstep', '--', '--nocapture'];
  const output = await step(`random programs for ${seconds} s from seed ${seed}`, () =>
    run('cargo', args, { env }),
  ).catch((error) => {
    // All of the program, however long.
    if (error.output) process.stdout.write(error.output);
    throw error;
  });
  console.log(output.match(/^\d+ programs.*agree$/m)?.[0] ?? output);
});
