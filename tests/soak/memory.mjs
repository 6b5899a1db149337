// Memory that processes of the host hold, from /proc.
import { readFileSync } from 'node:fs';

/** Kilobytes of the field `name` in a file such as /proc/PID/status; undefined where it is not or may not be read. */
function field(file, name) {
  try {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(file, 'utf8'));
    return match ? Number(match[1]) : undefined;
  } catch {
    return undefined;
  }
}

const mib = (kilobytes) => kilobytes / 1024;

/** MiB that a process has in memory. */
export function residentMib(pid) {
  const kilobytes = field(`/proc/${pid}/status`, 'VmRSS');
  if (kilobytes === undefined)
    throw new Error(`process ${pid} has ended, or its memory may not be looked at`);
  return mib(kilobytes);
}

/** MiB that a process has in memory, where what it shares with others counts by its share: to be summed up. */
export function shareMib(pid) {
  const kilobytes = field(`/proc/${pid}/smaps_rollup`, 'Pss');
  return kilobytes === undefined ? residentMib(pid) : mib(kilobytes);
}
