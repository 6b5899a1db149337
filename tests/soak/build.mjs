// Builds the guest programs of the soak test, static binaries for RISC-V, into target/soak/.
import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { compile } from '../bench/build.mjs';
import { guestWith } from '../bench/debian.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const sources = join(here, 'src');
const output = join(here, '../../target/soak');

/** What the guest does: the names of its programs. */
export const PROGRAMS = ['churn', 'exec'];

/** Builds (when older than its sources) the program of that name, and returns its path. */
export function buildProgram(name) {
  const others = PROGRAMS.filter((other) => other !== name).map((other) => `${other}.c`);
  const files = readdirSync(sources).filter((file) => !others.includes(file));
  return compile(
    'riscv64',
    join(output, name),
    files.map((file) => join(sources, file)),
  );
}

/** The Debian guest with all the programs. */
export function prepareGuest() {
  const programs = Object.fromEntries(PROGRAMS.map((name) => [name, buildProgram(name)]));
  return guestWith(programs, join(output, 'initrd.gz'));
}
