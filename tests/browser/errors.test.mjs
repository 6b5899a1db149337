// What goes wrong is said in the page, in words.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { dist, openPage, waitForOutput, waitForState } from './helper.mjs';

async function complaint(page) {
  await page.waitForSelector('#notice:not([hidden])', { timeout: 60_000 });
  assert.equal(await page.getAttribute('#notice', 'role'), 'alert');
  return page.textContent('#notice p');
}

test('a kernel for another machine', async (t) => {
  // What runs this test is an ELF file, for the computer it runs on.
  const foreign = readFileSync(process.execPath).subarray(0, 100_000);
  const { page } = await openPage(t, '?kernel=foreign.bin', { more: { '/foreign.bin': foreign } });
  assert.match(await complaint(page), /kernel.*offset/);
  await waitForState(page, 'Failed');

  // The person can go on from there with the keyboard: Start tries again, the form offers another guest.
  await page.click('#configure');
  await page.check('input[value=monitor]', { force: true });
  await page.click('#machine-start');
  await waitForOutput(page, /monitor> $/);
  assert.equal(await page.isHidden('#notice'), true);
});

test('a file that is no kernel at all', { timeout: 60_000 }, async (t) => {
  // A raw file may be a kernel, so it is run; it soon does nothing but trap.
  const { page } = await openPage(t, '?kernel=junk.bin', { more: { '/junk.bin': Buffer.alloc(5000, 'x') } });
  assert.match(await complaint(page), /The guest cannot go on: hart 0 is lost/);
  await waitForState(page, 'Failed');
});

test('a kernel that says nothing', { timeout: 60_000 }, async (t) => {
  // A jump to itself.
  const silent = Buffer.from([0x6f, 0, 0, 0]);
  const { page } = await openPage(t, '?kernel=silent.bin', { more: { '/silent.bin': silent } });
  assert.match(await complaint(page), /silent\.bin has been running for .* without printing anything/);
});

test('a kernel chosen in the form that is too short', async (t) => {
  const { page } = await openPage(t, '?guest=monitor&autostart=0');
  await waitForState(page, 'Ready');
  await page.click('#configure');
  await page.check('input[value=custom]', { force: true });
  await page.click('#machine-start');
  assert.match(await page.textContent('#machine-error'), /Choose a kernel first/);
  await page.setInputFiles('.image[data-role=kernel] input', {
    name: 'short.elf',
    mimeType: '',
    buffer: Buffer.from('\x7fELF'),
  });
  await page.click('#machine-start');
  assert.match(await complaint(page), /short\.elf/);
});

test('a kernel that is not there', async (t) => {
  const { page } = await openPage(t, '?kernel=gone.bin', { more: { '/gone.bin': null } });
  assert.match(await complaint(page), /kernel at .*gone\.bin cannot be fetched: the server answered 404/);
});

test('the emulator itself is missing', async (t) => {
  const wasm = readdirSync(dist).find((name) => name.endsWith('.wasm'));
  const { page } = await openPage(t, '?guest=monitor', { more: { [`/${wasm}`]: null } });
  assert.match(await complaint(page), /The emulator itself .* could not be loaded/);
});

test('a guest panic is told in its own words', async (t) => {
  const { page } = await openPage(t, '?guest=monitor');
  await waitForOutput(page, /monitor> $/);
  // The monitor echoes what is typed: enough to stand in for a kernel's last line.
  await page.focus('#terminal textarea');
  await page.keyboard.type('Kernel panic - not syncing: no working init\n');
  assert.equal(await complaint(page), 'The guest\u2019s kernel has panicked: no working init');
});

test('links that ask for what cannot be', async (t) => {
  const { page, server } = await openPage(t, '?memory=7');
  assert.match(await complaint(page), /memory=7; it must be a whole number from 16 to 1536/);
  await page.goto(`${server.url}?guest=windows`);
  assert.match(await complaint(page), /there are \u201cdebian\u201d and \u201cmonitor\u201d/);
  await page.goto(`${server.url}?engine=interpreter`);
  assert.match(
    await complaint(page),
    /the engine \u201cinterpreter\u201d; there are \u201cauto\u201d, \u201cjit\u201d/,
  );
  // Read by the machine, not by the page.
  const words = [
    ['tlb=huge', /"huge" says nothing about the TLB: there are fast, unified,/],
    ['gc=never', /"never"/],
    ['passes=-window', /there is no pass `window`; there are all, none, straighten,/],
    ['tiers=quick', /"quick" says nothing about the tiers;/],
  ];
  for (const [link, answer] of words) {
    await page.goto(`${server.url}?guest=monitor&${link}`);
    assert.match(await complaint(page), answer);
  }
});

test('requests that cannot be done are refused, and the machine goes on', async (t) => {
  const { page } = await openPage(t, '?guest=monitor');
  await waitForOutput(page, /monitor> $/);
  const refusals = await page.evaluate(async () => {
    const { files } = window.tabvisor.machine;
    const attempt = (promise) =>
      promise.then(
        () => 'done',
        (error) => error.message,
      );
    return {
      missing: await attempt(files.download('nowhere/at/all')),
      climbing: await attempt(files.upload('../outside', new Uint8Array(1))),
      empty: await attempt(files.upload('', new Uint8Array(1))),
      number: await attempt(files.upload(5, new Uint8Array(1))),
      nothing: await attempt(files.upload('name', null)),
      long: await attempt(files.download('x'.repeat(100_000))),
    };
  });
  for (const [what, words] of Object.entries(refusals)) {
    assert.notEqual(words, 'done', what);
    assert.ok(words.length > 10, `${what}: ${words}`);
  }
  assert.equal(await page.textContent('#state'), 'Running');
  await page.focus('#terminal textarea');
  await page.keyboard.type('help\n');
  await waitForOutput(page, /poweroff/);
});
