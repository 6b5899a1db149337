// What samples of a run say: how it ended against how it was once it had got going, and whether that is good.

import { median } from '../bench/report.mjs';

/** Minutes after which a run has got going, if that is not more than a third of it. */
const SETTLED_MIN = 5;
/** Samples whose middle one counts at either end of what is compared: what else the host does makes single ones odd. */
const TOGETHER = 3;
/** How much more memory and how much less throughput there may be at the end. */
const DRIFT = 0.1;
/** How much more memory there must be where nothing is collected: else the guest has not made enough code to judge by. */
const GROWTH = 1.2;
/** Minutes of a run after which a fresh guest is compared with: of shorter ones the end is hardly later than minute 5. */
const CONTROLLED_MIN = 15;
/** Longest pauses in the page, in milliseconds. */
const PAUSE_P99_MS = 1;
const PAUSE_MAX_MS = 5;

/** Seconds between two samples of a run. */
export function interval(minutes) {
  return minutes < 5 ? 10 : 60;
}

/** Whether the guest is to be compared with a fresh one. */
export function wantsControl({ gc, minutes }) {
  return gc === 'generational' && minutes >= CONTROLLED_MIN;
}

/** The value at the end over that of `minutes` 5, or of the end of the first third of a run that is shorter than 15. */
export function drift(values, interval_s) {
  const settled = Math.min(Math.ceil((SETTLED_MIN * 60) / interval_s), Math.ceil(values.length / 3));
  const from = Math.max(settled - 1, 0);
  const together = Math.max(1, Math.min(TOGETHER, Math.floor(values.length / 3)));
  const before = median(values.slice(from, from + together));
  return { before, after: median(values.slice(-together)) };
}

/** What is wrong with a run, as texts, and a line for each figure that was judged. */
export function judge(run) {
  const lines = [];
  const wrong = [];
  const check = (line, right) => {
    lines.push(right ? line : `${line}  MISSED`);
    if (!right) wrong.push(line);
  };
  const compared = (what, unit, values) => {
    const { before, after } = drift(values, run.interval_s);
    const ratio = after / before;
    return {
      ratio,
      line: `${what} ${before.toFixed(0)} -> ${after.toFixed(0)} ${unit}, ${ratio.toFixed(2)} times`,
    };
  };
  if (run.failure) check(run.failure, false);
  if (run.rss_mb.length === 0) return { lines, wrong };

  const memory = compared('memory', 'MiB', run.rss_mb);
  const mips = compared('throughput', 'million instructions for each second of CPU', run.mips);
  const host = compared('the host', 'million steps of the yardstick', run.host);
  // A host that became slower says nothing of what runs on it: what counts is throughput over the host's speed, or, where
  // there is a fresh guest, over that guest's.
  const { before, after } = drift(
    run.mips.map((value, at) => value / run.host[at]),
    run.interval_s,
  );
  const ratio = after / before;
  const speed = {
    ratio,
    line: `${mips.line}; ${host.line}; the one over the other ${ratio.toFixed(2)} times`,
  };
  switch (run.gc) {
    case 'generational':
      check(`${memory.line} (at most ${1 + DRIFT})`, memory.ratio <= 1 + DRIFT);
      if (run.control === null) check(`${speed.line} (at least ${1 - DRIFT})`, speed.ratio >= 1 - DRIFT);
      else {
        lines.push(speed.line);
        const { aged, fresh } = run.control;
        const control = median(aged.map((value, pair) => value / fresh[pair]));
        const both = `in turns with a fresh guest ${median(aged).toFixed(0)} and ${median(fresh).toFixed(0)}`;
        check(
          `throughput ${both}, ${control.toFixed(2)} times (at least ${1 - DRIFT})`,
          control >= 1 - DRIFT,
        );
      }
      break;
    case 'off':
      check(`${memory.line} (at least ${GROWTH})`, memory.ratio >= GROWTH);
      lines.push(speed.line);
      break;
    default: // for comparison only
      lines.push(memory.line, speed.line);
  }

  if (run.pause_ms === null) {
    lines.push('pauses: the collector says nothing of them');
    return { lines, wrong };
  }
  const { p50, p99, max, total } = run.pause_ms;
  const pauses = `pauses ${total} ms in all, ${p50} ms in the middle, p99 ${p99} ms, the longest, to ${run.longest_pause}, ${max} ms`;
  if (run.gc === 'generational' && run.where === 'page')
    check(
      `${pauses} (at most ${PAUSE_P99_MS} and ${PAUSE_MAX_MS})`,
      p99 <= PAUSE_P99_MS && max <= PAUSE_MAX_MS,
    );
  else lines.push(pauses);
  return { lines, wrong };
}
