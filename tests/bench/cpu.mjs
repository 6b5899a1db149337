// Host CPU time of processes, from /proc: what stays comparable on a machine that does other things as well.
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** The fields of /proc/PID/stat after the command's name, which may hold spaces and brackets; field 3 comes first. */
function stat(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** Seconds of CPU, user and system, that all threads of the process have used. */
export function cpuSeconds(pid) {
  const fields = stat(pid);
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** The command line as one text: Chromium's renderers rewrite theirs and separate the words by spaces. */
function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // it has just ended
  }
}

/** Ids of the renderer processes of the Chromium that runs on the given profile folder. */
export function rendererProcesses(profile) {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const parents = new Map();
  let browser;
  for (const pid of pids) {
    try {
      parents.set(pid, stat(pid)[1]);
    } catch {
      continue;
    }
    const line = commandLine(pid);
    if (line.includes(`--user-data-dir=${profile} `) && !line.includes(' --type=')) browser = pid;
  }
  if (!browser) throw new Error(`no browser runs on the profile ${profile}`);
  const below = (pid) => pid === browser || (parents.has(pid) && below(parents.get(pid)));
  return pids.filter((pid) => below(pid) && commandLine(pid).includes(' --type=renderer '));
}
