// The runner's own parts. Run by `node --test tests/bench`.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { buildBench } from './build.mjs';
import { chart } from './chart.mjs';
import { Console } from './console.mjs';
import { cpio } from './cpio.mjs';
import { markdown } from './readme.mjs';
import { figures, geometricMean, median, ratios, table } from './report.mjs';

const recorded = (name) => JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));
/** Of the suite's kernels, and of those that only measure memory. */
const checksums = { ...recorded('checksums.json'), ...recorded('memory-checksums.json') };

const rows = [
  { kernel: 'int', engine: 'native', cpu_s: 0.1, wall_s: 0.1, checksum: '1' },
  { kernel: 'boot', engine: 'qemu', cpu_s: 5, wall_s: 6, checksum: null },
  { kernel: 'int', engine: 'qemu', cpu_s: 0.4, wall_s: 0.4, checksum: '1' },
  { kernel: 'str', engine: 'qemu', cpu_s: 0.5, wall_s: 0.5, checksum: '2' },
];

test('every kernel computes the recorded checksum natively', () => {
  const lines = execFileSync(buildBench('amd64'), ['all'], { encoding: 'utf8' }).trim().split('\n');
  const found = lines.map((line) => /^BENCH (\w+) \d+\.\d{3} ([0-9a-f]{16})$/.exec(line));
  assert.deepEqual(Object.fromEntries(found.map(([, kernel, checksum]) => [kernel, checksum])), checksums);
});

test('cpio archives have the newc layout', () => {
  const archive = cpio([{ name: 'bench', mode: 0o755, content: Buffer.from('hello') }]);
  assert.equal(archive.length % 4, 0);
  const text = archive.toString('latin1');
  assert.equal(text.slice(0, 22), '07070100000001000081ed');
  assert.equal(text.slice(54, 62), '00000005'); // the file's size
  assert.equal(text.slice(110, 116), 'bench\0');
  assert.equal(text.slice(116, 124), 'hello\0\0\0');
  assert.match(text, /TRAILER!!!\0+$/);
});

test('cpio archives hold folders and links', () => {
  const text = cpio([
    { name: 'bin', folder: true, mode: 0o755 },
    { name: 'sbin', link: 'bin' },
  ]).toString('latin1');
  assert.equal(text.slice(14, 22), '000041ed');
  const link = text.indexOf('070701', 1);
  assert.equal(text.slice(link + 14, link + 22), '0000a1ff');
  assert.equal(text.slice(link + 54, link + 62), '00000003');
  assert.equal(text.slice(link + 116, link + 119), 'bin');
});

test('ratios leave the boot out of the mean', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([8, 1, 2, 3]), 2.5);
  assert.deepEqual([...ratios(rows, 'qemu', 'native')], [['int', 4]]);
  const mean = geometricMean(
    new Map([
      ['boot', 100],
      ['int', 2],
      ['str', 8],
    ]),
  );
  assert.ok(Math.abs(mean - 4) < 1e-9);
  assert.equal(geometricMean(new Map()), undefined);
  assert.match(table(rows), /^int +0\.10 +0\.40 +4\.00$/m);
});

test('figures that have a goal appear when both engines were measured', () => {
  assert.deepEqual(figures(rows), []);
  const row = (engine, kernel, cpu_s) => ({ kernel, engine, cpu_s, wall_s: cpu_s, checksum: null });
  const measured = [
    ...['boot', 'int', 'matmul'].map((kernel) => row('qemu', kernel, 1)),
    ...[row('page-jit', 'boot', 1.25), row('page-jit', 'int', 1.6), row('page-jit', 'matmul', 0.1)],
    row('v86', 'matmul', 10),
  ];
  const found = figures(measured);
  assert.deepEqual(
    found.map(({ name, value, reached }) => [name, +value.toFixed(3), reached]),
    [
      ['page-jit/qemu, mean', 0.4, true],
      ['page-jit/qemu, worst kernel', 1.6, false],
      ['page-jit/qemu, matmul', 0.1, true],
      ['page-jit/qemu, boot', 1.25, true],
      ['page-jit/v86, mean', 0.01, true],
    ],
  );
  assert.match(found[1].text, /MISSED$/);
  assert.match(markdown(measured), /^\| page-jit\/qemu, mean \| 0\.40 \| 0\.8 \|$/m);
});

test('the chart is drawn whatever rows there are', () => {
  assert.match(chart(rows, 'native'), /^<svg [^]*>mean<[^]*<\/svg>\n$/);
  assert.doesNotMatch(chart(rows, 'native'), /NaN|undefined|Infinity/);
  assert.doesNotMatch(chart([], 'native'), /NaN|undefined|Infinity/);
});

test('the console finds words that come in pieces, and says when the guest is gone', async () => {
  const console = new Console(() => {});
  const found = console.waitFor(/READY (\d+);/, 5);
  console.feed('noise REA');
  console.feed('DY 12; rest');
  assert.equal((await found)[1], '12');
  const lost = console.waitFor(/more/, 5);
  console.end('the emulator ended');
  assert.equal(console.lastLine(), 'rest');
  await assert.rejects(lost, /the emulator ended; its last words:\n rest/);
});
