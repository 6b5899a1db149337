// The engines that the runner compares. Each has
//
//   needs()               -> throws, saying what is missing and how to get it
//   boot(guest)           -> { cpu_s, wall_s }, or null where nothing boots; afterwards kernels can be run
//   run(kernel)           -> { cpu_s, wall_s, checksum }
//   close()
//
// where `guest` is { kernel, initrd, append }, paths and text.
import { execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { Console } from './console.mjs';
import { cpuSeconds, rendererProcesses } from './cpu.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const MEMORY_MIB = 512;
const READY = /TABVISOR GUEST READY/;
/** Longest boot and longest kernel, in seconds; an interpreter in a page on a busy machine is slow. */
const BOOT_LIMIT = 600;
const KERNEL_LIMIT = 900;

const now = () => performance.now() / 1000;

function parse(line, kernel) {
  const match = new RegExp(`BENCH ${kernel} [\\d.]+ ([0-9a-f]{16})`).exec(line);
  return match?.[1];
}

/** The host itself. Bash's `time` knows the CPU time of one child to the millisecond. */
class Native {
  async needs() {}

  async boot(guest) {
    this.binary = guest.nativeBench;
    return null;
  }

  async run(kernel) {
    const script = 'TIMEFORMAT="TIME %R %U %S"; time "$0" "$1"';
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script, this.binary, kernel], {
      env: { ...process.env, LC_ALL: 'C' },
    });
    const [, wall, user, system] = /TIME (\S+) (\S+) (\S+)/.exec(stderr).map(Number);
    return { cpu_s: user + system, wall_s: wall, checksum: parse(stdout, kernel) };
  }

  async close() {}
}

/** What all engines with a guest share: the talk with its shell. */
class Guest {
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

/** An emulator that is a process with the guest's console on its standard input and output. */
class Process extends Guest {
  async boot(guest) {
    const started = now();
    const [command, ...words] = this.command_line(guest);
    this.child = spawn(command, words, { stdio: ['pipe', 'pipe', 'pipe'] });
    // However the runner ends, its guests end with it.
    process.once('exit', () => this.child.kill('SIGKILL'));
    this.console = new Console((text) => this.child.stdin.write(text));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => this.console.feed(text));
    }
    this.child.stdin.on('error', () => {}); // it has ended: `exit` below says so
    this.child.on('error', (error) => this.console.end(`${command} did not start: ${error.message}`));
    this.child.on('exit', (code, signal) =>
      this.console.end(`${command} ended (${signal ?? `status ${code}`})`),
    );
    return this.ready(started, 0);
  }

  cpu() {
    return cpuSeconds(this.child.pid);
  }

  async close() {
    if (!this.child?.pid || this.child.exitCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}

class Qemu extends Process {
  async needs() {
    await promisify(execFile)('qemu-system-riscv64', ['--version']).catch(() => {
      throw new Error("qemu-system-riscv64 is missing: install Debian's package qemu-system-misc");
    });
  }

  command_line({ kernel, initrd, append }) {
    const machine = ['-machine', 'virt', '-m', `${MEMORY_MIB}M`, '-smp', '1', '-nographic', '-no-reboot'];
    return ['qemu-system-riscv64', ...machine, '-kernel', kernel, '-initrd', initrd, '-append', append];
  }
}

/** Our own command line. */
class Tabvisor extends Process {
  #binary = join(root, 'target/release/tabvisor');

  constructor(engine) {
    super();
    this.engine = engine;
  }

  async needs() {
    if (!existsSync(this.#binary))
      throw new Error('target/release/tabvisor is missing: run cargo build --release');
  }

  command_line({ kernel, initrd, append }) {
    const machine = ['--memory', `${MEMORY_MIB}`, '--harts', '1', '--net', 'none', '--engine', this.engine];
    return [this.#binary, 'run', ...machine, '--kernel', kernel, '--initrd', initrd, '--append', append];
  }
}

/** The page in headless Chromium. Its renderer process runs the page and its workers. */
class Page extends Guest {
  #helper = join(root, 'tests/browser/helper.mjs');

  async needs() {
    if (!existsSync(join(root, 'www/dist/index.html')))
      throw new Error('www/dist has no page: run npm run build');
  }

  async boot({ kernel, initrd, append }) {
    const { browse, serve } = await import(this.#helper);
    this.server = await serve({
      '/bench/kernel': readFileSync(kernel),
      '/bench/initrd': readFileSync(initrd),
    });
    this.browser = await browse();
    const page = await this.browser.context.newPage();
    this.console = new Console((text) => page.evaluate((keys) => window.tabvisor.machine.send(keys), text));
    page.on('crash', () => this.console.end('the page has crashed'));
    page.on('pageerror', (error) => this.console.end(`the page failed: ${error.message}`));
    await page.exposeFunction('benchOutput', (text) => this.console.feed(text));
    const query = new URLSearchParams({
      kernel: '/bench/kernel',
      initrd: '/bench/initrd',
      append,
      memory: `${MEMORY_MIB}`,
      harts: '1',
    });
    // Chromium's own pages start up with it, and are not ours.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const started = now();
    const before = this.cpu();
    await page.goto(`${this.server.url}?${query}`);
    await page.waitForFunction(() => window.tabvisor?.machine);
    // Output is pushed to us: asking for it again and again would cost the renderer time that is measured.
    await page.evaluate(() => {
      // And each push costs it too, so they are few.
      const decoder = new TextDecoder();
      let text = window.tabvisor.outputText();
      const push = () => {
        void window.benchOutput(text);
        text = '';
      };
      window.tabvisor.machine.onOutput((bytes) => {
        if (text === '') setTimeout(push, 50);
        text += decoder.decode(bytes, { stream: true });
      });
      push();
    });
    return this.ready(started, before);
  }

  cpu() {
    const renderers = rendererProcesses(this.browser.profile);
    return renderers.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  }

  async close() {
    await this.browser?.close();
    this.server?.close();
  }
}

/** Engines by the name the command line uses. */
export const engines = {
  native: () => new Native(),
  qemu: () => new Qemu(),
  interp: () => new Tabvisor('interp'),
  'page-interp': () => new Page(),
};
