// The runner's own parts. Run by `node --test tests/bench`.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { buildBench } from './build.mjs';
import { chart } from './chart.mjs';
import { Console } from './console.mjs';
import { cpio } from './cpio.mjs';
import { geometricMean, median, ratios, table } from './report.mjs';

const checksums = JSON.parse(readFileSync(new URL('checksums.json', import.meta.url), 'utf8'));

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

test('ratios leave the boot out of the mean', () => {
  assert.equal(median([3, 1, 2]), 2);
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
  await assert.rejects(lost, /the emulator ended; its last words:\n rest/);
});
