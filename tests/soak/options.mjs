// The command line of the soak test.
import { parseArgs } from 'node:util';

/** Places, programs and ways to collect by the names that are typed. */
export const WHERE = ['page', 'native'];
export const GUESTS = ['churn', 'exec'];
export const MODES = ['generational', 'simple', 'off'];

export const usage = `npm run soak -- [--where ${WHERE.join('|')}]    where the machine runs (default: both, one after the other)
                [--guest ${GUESTS.join('|')}]    what the guest does: churn makes code for ever, exec
                                       programs (default: both)
                [--minutes N]          how long, each (default 30); from 15 on, ten more for a fresh guest
                                       to compare with, where code is collected by generation
                [--gc ${MODES.join('|')}]
                                       how translated code is collected (default generational)
                [--json FILE]          write the samples there: an object; of several runs a list`;

export class UsageError extends Error {}

function choice(name, text, known) {
  if (text !== undefined && !known.includes(text))
    throw new UsageError(`--${name} ${text}: there is ${known.join(', ')}`);
  return text;
}

/** What was asked for: `{ help }`, or `{ runs: [{ where, guest }], minutes, gc, json }`. */
export function parse(words) {
  const string = { type: 'string' };
  let values;
  try {
    ({ values } = parseArgs({
      args: words,
      options: {
        where: string,
        guest: string,
        minutes: string,
        gc: string,
        json: string,
        help: { type: 'boolean' },
      },
    }));
  } catch (error) {
    throw new UsageError(error.message, { cause: error });
  }
  if (values.help) return { help: true };
  const minutes = Number(values.minutes ?? 30);
  if (!(minutes >= 0.5 && minutes <= 10_000))
    throw new UsageError(`--minutes ${values.minutes}: a number from 0.5 to 10000 is wanted`);
  const where = choice('where', values.where, WHERE);
  const guest = choice('guest', values.guest, GUESTS);
  const gc = choice('gc', values.gc, MODES) ?? 'generational';
  const runs = (where ? [where] : WHERE).flatMap((where) =>
    (guest ? [guest] : GUESTS).map((guest) => ({ where, guest })),
  );
  return { runs, minutes, gc, json: values.json };
}
