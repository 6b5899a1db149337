// A person's path through the page with Debian's kernel: boot, type, share files, pause, reset, power off.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  BOOT_MS,
  READY,
  idleShare,
  openPage,
  output,
  shell,
  waitForOutput,
  waitForState,
} from './helper.mjs';

test('Linux boots by itself, talks, shares files and powers off', { timeout: 2 * BOOT_MS }, async (t) => {
  const { page, browser } = await openPage(t);
  assert.equal(
    await page.evaluate(() => globalThis.crossOriginIsolated),
    false,
    'served without COOP and COEP',
  );
  await waitForOutput(page, READY, BOOT_MS);

  assert.equal(await shell(page, 'uname -m'), 'riscv64');

  const share = await idleShare(page, browser.profile);
  t.diagnostic(`idle at the prompt: ${(share * 100).toFixed(2)} % of a core`);
  assert.ok(share < 0.03, `${(share * 100).toFixed(2)} % of a core`);

  // Where the kernel's own text lies: it maps all of memory in a row, and nothing at zero.
  const kernel = 'grep " _start$" /proc/kallsyms | cut -c 1-16';
  const start = BigInt(`0x${(await shell(page, kernel)).trim()}`);
  const places = await page.evaluate(
    async (text) =>
      (await window.tabvisor.machine.translate([BigInt(text), BigInt(text) + 5n, 0n])).map(String),
    String(start),
  );
  assert.equal(BigInt(places[0]) + 5n, BigInt(places[1]));
  assert.equal(BigInt(places[0]) >> 28n, 8n, 'in RAM');
  assert.equal(places[2], 'undefined');

  // Pasted text arrives as it is.
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.setData('text/plain', "echo 'pasted: \u00e4\u20ac'\n");
    const target = document.querySelector('#terminal textarea');
    target.dispatchEvent(
      new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }),
    );
  });
  await waitForOutput(page, /^pasted: \u00e4\u20ac$/m);

  // From the page to the guest.
  const sent = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
  await page.setInputFiles('#upload-input', {
    name: 'sent.bin',
    mimeType: 'application/octet-stream',
    buffer: sent,
  });
  await page.waitForSelector('#file-list >> text=sent.bin');
  const { createHash } = await import('node:crypto');
  const digest = (bytes) => createHash('sha256').update(bytes).digest('hex');
  assert.match(await shell(page, 'sha256sum /mnt/share/sent.bin'), new RegExp(`^${digest(sent)} `));

  // And back.
  await shell(
    page,
    'mkdir -p /mnt/share/out && seq 1 50000 > /tmp/made && cp /tmp/made /mnt/share/out/made.txt',
  );
  await page.waitForSelector('[aria-label="Download out/made.txt"]');
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.click('[aria-label="Download out/made.txt"]'),
  ]);
  const expected = Array.from({ length: 50_000 }, (_, i) => `${i + 1}\n`).join('');
  assert.equal(readFileSync(await download.path(), 'utf8'), expected);
  await page.click('[aria-label="Remove sent.bin"]');
  await page.waitForSelector('[aria-label="Remove sent.bin"]', { state: 'detached' });
  assert.match(await shell(page, 'ls /mnt/share'), /^out$/);

  // Time stands still while paused.
  await page.click('#run');
  await waitForState(page, 'Paused');
  const before = await page.evaluate(() => window.tabvisor.machine.stats());
  await page.waitForTimeout(1000);
  const after = await page.evaluate(() => window.tabvisor.machine.stats());
  assert.equal(after.instructions, before.instructions);
  assert.equal(after.guestMs, before.guestMs);
  await page.click('#run');
  await waitForState(page, 'Running');
  assert.equal(await shell(page, 'echo $((6 * 7))'), '42');

  await page.focus('#terminal textarea');
  await page.keyboard.type('poweroff -f\n');
  await waitForState(page, 'Powered off', 60_000);
  // Its last words are not on this console: Linux resets virtio devices before it says them.
  assert.match(await output(page), /poweroff -f\n$/);
});

test('Linux sees and uses four harts in the page, and says goodbye', { timeout: 2 * BOOT_MS }, async (t) => {
  const append = encodeURIComponent('earlycon=sbi console=ttyS0');
  const { page } = await openPage(t, `?guest=debian&harts=4&append=${append}`);
  await waitForOutput(page, READY, BOOT_MS);
  assert.equal(await shell(page, 'nproc'), '4');
  const interrupts = await shell(
    page,
    'for i in 1 2 3 4; do (seq 1 2000 | sort -n > /dev/null) & done; wait; cat /proc/interrupts',
  );
  assert.match(interrupts, /CPU3/);
  await page.focus('#terminal textarea');
  await page.keyboard.type('poweroff -f\n');
  await waitForState(page, 'Powered off', 60_000);
  assert.match(await output(page), /reboot: Power down/);
});

test(
  'what the guest writes to a disk is read back, and the file stays as it was',
  { timeout: 2 * BOOT_MS },
  async (t) => {
    const { page } = await openPage(t, '?guest=debian&autostart=0');
    await waitForState(page, 'Ready');
    await page.click('#configure');
    const disk = Buffer.alloc(8 << 20, 'tabvisor');
    await page.setInputFiles('.image[data-role=disk] input', {
      name: 'disk.img',
      mimeType: '',
      buffer: disk,
    });
    await page.click('#machine-start');
    await waitForOutput(page, READY, BOOT_MS);
    assert.match(await shell(page, 'head -c 8 /dev/vda'), /^tabvisor/);
    const written = await shell(
      page,
      'seq 1 300000 > /tmp/data; dd if=/tmp/data of=/dev/vda bs=4k conv=fsync 2>/dev/null; sha256sum < /tmp/data',
    );
    const size = await shell(page, 'wc -c < /tmp/data');
    await shell(page, 'echo 3 > /proc/sys/vm/drop_caches');
    const read = await shell(page, `head -c ${size} /dev/vda | sha256sum`);
    assert.equal(read, written);
  },
);

test(
  'a disk on a web server is read in parts, as the guest asks for them',
  { timeout: 2 * BOOT_MS },
  async (t) => {
    const { createHash, randomBytes } = await import('node:crypto');
    const disk = { parts: randomBytes(64 << 20), latency: 5 };
    const { page } = await openPage(t, '?guest=debian&disk=/disk.img', { more: { '/disk.img': disk } });
    await waitForOutput(page, READY, BOOT_MS);
    const digest = createHash('sha256')
      .update(disk.parts.subarray(1 << 20, 5 << 20))
      .digest('hex');
    const read = 'dd if=/dev/vda bs=64k skip=16 count=64 2>/dev/null | sha256sum';
    assert.match(await shell(page, read), new RegExp(`^${digest} `));
    // What is written is kept in the page.
    await shell(page, 'echo kept | dd of=/dev/vda bs=1 seek=1000000 conv=fsync 2>/dev/null');
    await shell(page, 'echo 3 > /proc/sys/vm/drop_caches');
    assert.equal(await shell(page, 'dd if=/dev/vda bs=1 skip=1000000 count=4 2>/dev/null'), 'kept');
    t.diagnostic(`${disk.served} parts of ${disk.parts.length >> 17} were fetched`);
    assert.ok(disk.served > 32 && disk.served < 170, `${disk.served} parts`);
  },
);
