// Whether a guest that has run for long is slower than it was, on a host whose speed changes: a fresh guest does the same for
// five minutes, then both take turns.
import { setTimeout as sleep } from 'node:timers/promises';

import { mips } from './samples.mjs';

/** Seconds that the fresh guest runs before it is compared: as long as the other had run when it was first looked at. */
const SETTLED_S = 300;
/**
 * Pairs of turns; in each second pair the fresh guest goes first. Many short ones: hosts were seen to change their speed by a fifth
 * from one quarter of a minute to the next.
 */
const PAIRS = 24;
const TURN_S = 8;

/**
 * Compares two guests, each with `resume() -> program`, `hold(program)` and `figures()`; `aged` is held, `fresh` runs its
 * `program`. Returns million instructions for each second of CPU in each turn: `{ aged, fresh }`, pair by pair.
 */
export async function takeTurns(aged, fresh, program, { settled_s, pairs, turn_s } = {}) {
  await wait(settled_s ?? SETTLED_S, program);
  await fresh.hold(program);
  const found = { aged: [], fresh: [] };
  const turn = async (guest, into) => {
    const program = await guest.resume();
    const figures = () => Promise.race([guest.figures(), program.end]);
    const before = await figures();
    await wait(turn_s ?? TURN_S, program);
    into.push(mips(before, await figures()));
    await guest.hold(program);
  };
  for (let pair = 0; pair < (pairs ?? PAIRS); pair++) {
    const order = [
      [aged, found.aged],
      [fresh, found.fresh],
    ];
    if (pair % 2 === 1) order.reverse();
    for (const [guest, into] of order) await turn(guest, into);
  }
  return found;
}

/** Waits, unless the program fails. */
export async function wait(seconds, program) {
  const stop = new AbortController();
  try {
    await Promise.race([sleep(seconds * 1000, undefined, { signal: stop.signal }), program.end]);
  } finally {
    stop.abort();
  }
}
