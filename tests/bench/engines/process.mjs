// Engines that are processes of the host: the host itself, QEMU, and our own command line.
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { Console } from '../console.mjs';
import { cpuSeconds } from '../cpu.mjs';
import { Guest, MEMORY_MIB, now, parse } from './guest.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');

/** The host itself. Bash's `time` knows the CPU time of one child to the millisecond. */
export class Native {
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

/** An emulator that is a process with the guest's console on its standard input and output. */
class Process extends Guest {
  #end;

  async boot(guest) {
    const started = now();
    const [command, ...words] = this.command_line(guest);
    this.child = spawn(command, words, { stdio: ['pipe', 'pipe', 'pipe'] });
    // However the runner ends, its guests end with it.
    this.#end = () => this.child.kill('SIGKILL');
    process.once('exit', this.#end);
    this.console = new Console((text) => this.child.stdin.write(text));
    this.child.stdout.setEncoding('utf8').on('data', (text) => this.console.feed(text));
    this.child.stderr.setEncoding('utf8').on('data', (text) => this.complain(text));
    this.child.stdin.on('error', () => {}); // it has ended: `exit` below says so
    this.child.on('error', (error) => this.console.end(`${command} did not start: ${error.message}`));
    this.child.on('exit', (code, signal) =>
      this.console.end(`${command} ended (${signal ?? `status ${code}`})`),
    );
    return this.ready(started, 0);
  }

  /** What the emulator itself says is shown beside what the guest says. */
  complain(text) {
    this.console.feed(text);
  }

  /** Ids of the processes that it is. */
  processes() {
    return [this.child.pid];
  }

  cpu() {
    return cpuSeconds(this.child.pid);
  }

  async close() {
    if (this.#end) process.removeListener('exit', this.#end);
    if (!this.child?.pid || this.child.exitCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}

export class Qemu extends Process {
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
export class Tabvisor extends Process {
  #binary = join(root, 'target/release/tabvisor');

  /** `more` are further words for the command line. */
  constructor(engine, more = []) {
    super();
    this.engine = engine;
    this.more = more;
  }

  async needs() {
    if (!existsSync(this.#binary))
      throw new Error('target/release/tabvisor is missing: run cargo build --release');
  }

  command_line({ kernel, initrd, append }) {
    const machine = ['--memory', `${MEMORY_MIB}`, '--harts', '1', '--net', 'none', '--engine', this.engine];
    return [
      this.#binary,
      'run',
      ...machine,
      ...this.more,
      '--kernel',
      kernel,
      '--initrd',
      initrd,
      '--append',
      append,
    ];
  }
}
