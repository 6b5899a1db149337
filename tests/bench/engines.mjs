// The engines that the runner compares. Each has
//
//   needs()               -> throws, saying what is missing and how to get it; v86 gets it
//   boot(guest)           -> { cpu_s, wall_s }, or null where nothing boots; afterwards kernels can be run
//   run(kernel)           -> { cpu_s, wall_s, checksum }
//   console               where there is a guest: what it has written so far
//   close()
//
// where `guest` is { kernel, initrd, append }, paths and text: the RISC-V guest, which v86 does without.
import { Page } from './engines/page.mjs';
import { Native, Qemu, Tabvisor } from './engines/process.mjs';
import { V86 } from './engines/v86.mjs';

/** Engines by the name the command line uses. */
export const engines = {
  native: () => new Native(),
  qemu: () => new Qemu(),
  interp: () => new Tabvisor('interp'),
  jit: () => new Tabvisor('jit'),
  'page-interp': () => new Page('interp'),
  'page-jit': () => new Page('jit'),
  v86: () => new V86(),
};

/** What runs when none is named. v86 installs packages, so it is asked for by name. */
export const usual = ['native', 'qemu', 'interp', 'jit', 'page-interp', 'page-jit'];

/** The engines that boot the RISC-V guest. */
export const withGuest = Object.keys(engines).filter((name) => name !== 'native' && name !== 'v86');
