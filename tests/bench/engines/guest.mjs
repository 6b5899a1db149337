// What all engines with a guest share: the talk with its shell.
import { performance } from 'node:perf_hooks';

export const MEMORY_MIB = 512;
const READY = /TABVISOR GUEST READY/;
/** Longest boot and longest kernel, in seconds; an interpreter in a page on a busy machine is slow. */
const BOOT_LIMIT = 600;
const KERNEL_LIMIT = 900;

/** Seconds of a clock that only goes forward. */
export const now = () => performance.now() / 1000;

/** The checksum in what the benchmark program printed. */
export function parse(output, kernel) {
  const match = new RegExp(`BENCH ${kernel} [\\d.]+ ([0-9a-f]{16})`).exec(output);
  return match?.[1];
}

/** An engine with a guest. It sets `console` when it boots. */
export class Guest {
  #commands = 0;

  /** Seconds of CPU that the emulator has used so far: each engine says where to look. */
  cpu() {
    throw new Error('an engine must say where its CPU time is found');
  }

  /** Waits for the marker, then for a shell that answers. */
  async ready(started, cpuBefore) {
    await this.console.waitFor(READY, BOOT_LIMIT);
    const boot = { cpu_s: this.cpu() - cpuBefore, wall_s: now() - started };
    // The shell may lose what is typed before it reads, and the kernel's messages would tear its output apart.
    for (let tries = 20; ; tries--) {
      try {
        await this.command('dmesg -n 1', 3);
        return boot;
      } catch (error) {
        if (tries === 0) throw error;
      }
    }
  }

  /** Types a command; returns what it printed. The end mark is not in what was typed, so its echo is not taken for it. */
  async command(text, limit) {
    const number = ++this.#commands;
    this.console.send(`${text}; echo END$((${number}+0))-\r`);
    const match = await this.console.waitFor(new RegExp(`([^]*)END${number}-`), limit);
    return match[1];
  }

  async run(kernel) {
    for (let tries = 1; ; tries--) {
      const before = this.cpu();
      const started = now();
      const output = await this.command(`/bench ${kernel}`, KERNEL_LIMIT);
      const result = { cpu_s: this.cpu() - before, wall_s: now() - started, checksum: parse(output, kernel) };
      if (result.checksum) return result;
      // Something wrote into the line: once more, then it is an error.
      if (tries === 0) throw new Error(`the guest printed no result of ${kernel}:\n${output}`);
    }
  }
}
