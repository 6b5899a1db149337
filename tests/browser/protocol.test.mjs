// The message protocol and the run loop, without a browser: hostile messages, slices, sleep, held-back output.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { inspect } from 'node:util';
import typescript from 'typescript';

/** Imports a TypeScript module that imports nothing itself. */
async function load(name) {
  const source = readFileSync(new URL(`../../www/src/${name}`, import.meta.url), 'utf8');
  const { outputText } = typescript.transpileModule(source, {
    compilerOptions: { module: typescript.ModuleKind.ESNext, target: typescript.ScriptTarget.ES2022 },
  });
  return import(`data:text/javascript,${encodeURIComponent(outputText)}`);
}

const protocol = await load('protocol.ts');
const { Exit, Runner } = await load('machine/runner.ts');
const { PanicWatch } = await load('machine/panic.ts');

const config = { memoryMiB: 256, harts: 1, engine: 'jit', append: 'quiet', disks: [] };

test('good requests pass as they are', () => {
  const good = [
    {
      id: 0,
      kind: 'create',
      config: { ...config, kernel: { name: 'k', bytes: new Uint8Array(3) }, share: 'share' },
    },
    { id: 1, kind: 'create', config: { ...config, initrd: { name: 'i', url: 'https://example.org/i' } } },
    { id: 1, kind: 'create', config: { ...config, tlb: 'fast', gc: 'off', passes: 'none', tiers: 'no-hot' } },
    { id: 2, kind: 'start' },
    { id: 3, kind: 'input', bytes: new Uint8Array(9) },
    { id: 4, kind: 'resize', cols: 80, rows: 25 },
    { id: 5, kind: 'upload', path: 'a/b', content: new Blob(['x']) },
    { id: 6, kind: 'translate', hart: 7, addresses: BigUint64Array.of(1n, 2n) },
  ];
  for (const request of good) assert.deepEqual(protocol.parseRequest(request), request);
});

test('hostile requests are refused in words', () => {
  const bad = [
    undefined,
    null,
    5,
    'start',
    [],
    {},
    { kind: 'start' },
    { id: -1, kind: 'start' },
    { id: 1.5, kind: 'start' },
    { id: NaN, kind: 'start' },
    { id: 1 },
    { id: 1, kind: 'constructor' },
    { id: 1, kind: '__proto__' },
    { id: 1, kind: { toString: () => 'start' } },
    { id: 1, kind: 'input' },
    { id: 1, kind: 'input', bytes: [1, 2] },
    { id: 1, kind: 'input', bytes: new Uint16Array(2) },
    { id: 1, kind: 'input', bytes: new Uint8Array(protocol.MAX_INPUT_BYTES + 1) },
    { id: 1, kind: 'translate', hart: 8, addresses: new BigUint64Array(1) },
    { id: 1, kind: 'translate', hart: 0, addresses: [1] },
    { id: 1, kind: 'translate', hart: 0, addresses: new BigUint64Array(protocol.MAX_ADDRESSES + 1) },
    { id: 1, kind: 'resize', cols: 0, rows: 10 },
    { id: 1, kind: 'resize', cols: 70000, rows: 10 },
    { id: 1, kind: 'acknowledge', bytes: -5 },
    { id: 1, kind: 'upload', path: 'x', content: 'text' },
    { id: 1, kind: 'download', path: 'x'.repeat(10_000) },
    { id: 1, kind: 'create' },
    { id: 1, kind: 'create', config: { ...config, memoryMiB: 1e9 } },
    { id: 1, kind: 'create', config: { ...config, memoryMiB: '256' } },
    { id: 1, kind: 'create', config: { ...config, harts: 0 } },
    { id: 1, kind: 'create', config: { ...config, engine: 'warp' } },
    { id: 1, kind: 'create', config: { ...config, engine: ['jit'] } },
    { id: 1, kind: 'create', config: { ...config, engine: undefined } },
    { id: 1, kind: 'create', config: { ...config, append: 'x'.repeat(5000) } },
    { id: 1, kind: 'create', config: { ...config, disks: new Array(99).fill({}) } },
    { id: 1, kind: 'create', config: { ...config, disks: [null] } },
    { id: 1, kind: 'create', config: { ...config, disks: { length: 1 } } },
    { id: 1, kind: 'create', config: { ...config, kernel: {} } },
    { id: 1, kind: 'create', config: { ...config, kernel: { name: 'k', url: 'file:///etc/passwd' } } },
    { id: 1, kind: 'create', config: { ...config, tlb: 4 } },
    { id: 1, kind: 'create', config: { ...config, gc: ['off'] } },
    { id: 1, kind: 'create', config: { ...config, passes: 'x'.repeat(201) } },
    { id: 1, kind: 'create', config: { ...config, share: 'x'.repeat(99) } },
  ];
  for (const request of bad) {
    assert.throws(() => protocol.parseRequest(request), { name: 'ProtocolError' }, inspect(request));
  }
});

test('messages from the worker are looked at before use', () => {
  const bad = [
    null,
    1,
    {},
    { kind: 'reply' },
    { kind: 'refusal', id: 1 },
    { kind: 'output', bytes: 'x' },
    { kind: 'state', state: {} },
    { kind: 'stats', stats: { instructions: '1' } },
    { kind: 'stats', stats: { instructions: 1, jit: 5 } },
    { kind: 'stats', stats: { instructions: 1, jit: { modules: {} } } },
    { kind: 'stats', stats: { instructions: 1, jit: { modules: 1, gc: 'off' } } },
    { kind: 'stats', stats: { instructions: 1, jit: { modules: 1, gc: { mode: 1, pauses: [] } } } },
    { kind: 'stats', stats: { instructions: 1, jit: { modules: 1, gc: { mode: 'off', pauses: [] } } } },
    {
      kind: 'stats',
      stats: { instructions: 1, jit: { modules: 1, gc: { mode: 'off', pauseMaxWork: 3, pauses: [] } } },
    },
    {
      kind: 'stats',
      stats: { instructions: 1, jit: { modules: 1, gc: { mode: 'off', pauseMaxWork: '', pauses: 3 } } },
    },
    {
      kind: 'stats',
      stats: { instructions: 1, jit: { modules: 1, gc: { mode: 'off', pauseMaxWork: '', pauses: ['3'] } } },
    },
    {
      kind: 'stats',
      stats: {
        instructions: 1,
        jit: { modules: 1, gc: { mode: 'off', pauseMaxWork: '', pauses: [], freed: {} } },
      },
    },
  ];
  for (const message of bad)
    assert.throws(() => protocol.parseWorkerMessage(message), { name: 'ProtocolError' });
  assert.equal(protocol.parseWorkerMessage({ kind: 'reply', id: 3, answer: undefined }).id, 3);
});

/** A machine whose slices are scripted. */
class Fake {
  slices = [];
  runs = 0;
  resets = 0;
  now = 0;
  until = Infinity;
  printed = 0;
  run() {
    this.runs += 1;
    return this.slices.shift() ?? Exit.Idle;
  }
  idleUntilMs() {
    return this.until;
  }
  nowMs() {
    return this.now;
  }
  exitCode() {
    return 7;
  }
  takeOutput() {
    const bytes = new Uint8Array(this.printed);
    this.printed = 0;
    return bytes;
  }
  reset() {
    this.resets += 1;
  }
  pauseClock() {}
  resumeClock() {}
}

function begin(t, machine) {
  const log = [];
  const runner = new Runner(machine, {
    output: (bytes) => log.push(`output ${bytes.length}`),
    off: (code) => log.push(`off ${code}`),
    trapped: (error) => log.push(`trapped ${error.message}`),
  });
  t.after(() => runner.dispose());
  runner.start();
  return { runner, log };
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

test('an idle machine is left alone until its timer or input', async (t) => {
  const machine = new Fake();
  machine.slices = [Exit.Budget, Exit.Budget];
  const { runner } = begin(t, machine);
  await pause(100);
  assert.equal(machine.runs, 3);
  machine.until = 40;
  runner.wake();
  await pause(20);
  assert.equal(machine.runs, 4);
  machine.until = Infinity;
  await pause(100);
  assert.equal(machine.runs, 5);
});

test('power-off, failure, reset and traps end a slice as they should', async (t) => {
  for (const [exit, expected] of [
    [Exit.PowerOff, 'off 0'],
    [Exit.Failed, 'off 7'],
  ]) {
    const machine = new Fake();
    machine.slices = [Exit.Reset, exit, Exit.Budget];
    const { runner, log } = begin(t, machine);
    await pause(30);
    assert.deepEqual(log, [expected]);
    assert.equal(machine.resets, 1);
    assert.equal(runner.running, false);
    assert.equal(machine.runs, 2);
  }
  const machine = new Fake();
  machine.run = () => {
    throw new Error('unreachable');
  };
  const { log } = begin(t, machine);
  await pause(30);
  assert.deepEqual(log, ['trapped unreachable']);
});

test('output that is not shown holds the guest back', async (t) => {
  const machine = new Fake();
  machine.slices = new Array(1e6).fill(Exit.Budget);
  machine.takeOutput = () => new Uint8Array(400_000);
  const { runner, log } = begin(t, machine);
  await pause(50);
  assert.equal(machine.runs, 3);
  runner.acknowledge(400_000);
  await pause(50);
  assert.equal(machine.runs, 4);
  assert.equal(log.length, 4);
});

test('a panic is found across chunks, once for each boot', () => {
  const found = [];
  const watch = new PanicWatch((reason) => found.push(reason));
  const feed = (text) => watch.feed(new TextEncoder().encode(text));
  feed('[ 0.5] Kernel pa');
  feed('nic - not syncing: VFS: no root\r');
  assert.deepEqual(found, []);
  feed('\n---[ end Kernel panic - not syncing: VFS: no root ]---\n');
  assert.deepEqual(found, ['Kernel panic - not syncing: VFS: no root']);
  watch.restart();
  feed('x'.repeat(1e6) + '\nKernel panic - not syncing: again\n');
  assert.equal(found.length, 2);
});
