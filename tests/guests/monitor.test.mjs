// The monitor under QEMU, which is the reference for what it may expect of a board. Run by `node --test tests/guests`.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Console } from '../bench/console.mjs';
import { cpuSeconds } from '../bench/cpu.mjs';

const elf = join(dirname(fileURLToPath(import.meta.url)), 'monitor/monitor.elf');
const PROMPT = /monitor> /;

/** Starts the monitor with `harts` harts and waits for its prompt. */
async function start(t, harts) {
  const words = ['-machine', 'virt', '-smp', `${harts}`, '-nographic', '-kernel', elf];
  const child = spawn('qemu-system-riscv64', words, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const console = new Console((text) => child.stdin.write(text));
  child.stdout.setEncoding('utf8').on('data', (text) => console.feed(text));
  child.on('error', (error) => console.end(`qemu-system-riscv64 did not start: ${error.message}`));
  child.on('exit', (code) => console.end(`qemu-system-riscv64 ended with status ${code}`));
  await console.waitFor(/TABVISOR MONITOR READY/, 60);
  await console.waitFor(PROMPT, 10);
  return {
    child,
    console,
    /** Types a command and returns what it printed. */
    async command(text, seconds = 60) {
      console.send(`${text}\r`);
      const [, output] = await console.waitFor(/\n([^]*)monitor> /, seconds);
      return output.replaceAll('\r', '');
    },
  };
}

test('the self-test passes', async (t) => {
  const monitor = await start(t, 1);
  const output = await monitor.command('selftest', 120);
  assert.match(output, /SELFTEST OK/, output);
  assert.doesNotMatch(output, /FAIL/);
});

test('memory can be poked, peeked and dumped, and a bad address is reported', async (t) => {
  const monitor = await start(t, 1);
  assert.equal(await monitor.command('poke h 0x86000000 0x1234 0xabcd'), '');
  assert.equal(await monitor.command('peek w 0x86000000'), '0000000086000000: abcd1234\n');
  assert.match(await monitor.command('dump 0x86000000 4'), /34 12 cd ab +\|4\.\.\.\|/);
  assert.match(
    await monitor.command('peek b 0x8000000'),
    /^trap: load access fault \(cause 5\), value 0x8000000/,
  );
  assert.match(await monitor.command('poke b 0x86000000 256'), /^usage:/);
});

test('lines can be edited, and control-C ends a command', async (t) => {
  const monitor = await start(t, 1);
  assert.match(await monitor.command('nonsense\x15hexx\x7f\x7f\x7felp'), /peek b\|h\|w\|d/);
  monitor.console.send('abc\x03');
  await monitor.console.waitFor(/abc\^C\s+monitor> /, 10);
  monitor.console.send('bench fib fib fib fib\r');
  await monitor.console.waitFor(/\n/, 10);
  await sleep(300);
  monitor.console.send('\x03');
  const [, output] = await monitor.console.waitFor(/([^]*)monitor> /, 10);
  assert.match(output, /\^C/);
});

test('every hart is started and stopped', async (t) => {
  const monitor = await start(t, 4);
  assert.match(await monitor.command('harts'), /HARTS 3 started, total 300000, as expected/);
});

test('a kernel gives the same checksum as under Linux', async (t) => {
  const monitor = await start(t, 1);
  assert.match(await monitor.command('bench sort'), /BENCH sort \d+\.\d{3} 342603248e79e9f8/);
});

test('an idle monitor uses no CPU, and it can switch the machine off', async (t) => {
  const monitor = await start(t, 1);
  const before = cpuSeconds(monitor.child.pid);
  await sleep(2000);
  assert.ok(cpuSeconds(monitor.child.pid) - before < 0.1);
  const gone = new Promise((resolve) => monitor.child.once('exit', resolve));
  monitor.console.send('poweroff\r');
  assert.equal(await gone, 0);
});
