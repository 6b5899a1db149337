// Linux under each engine in the page: what the compiler does, how long it holds the guest up, and what the page says of it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOOT_MS, READY, openPage, shell, waitForOutput, waitForState } from './helper.mjs';

/** Longest that compiling may hold the guest up, in milliseconds: three times the goal, since a busy test machine takes
 * its time too. */
const LONGEST_STALL_MS = 150;

test('Linux boots under the compiler, and most of it runs compiled', { timeout: 2 * BOOT_MS }, async (t) => {
  const { page } = await openPage(t, '?guest=debian&engine=jit');
  await waitForOutput(page, READY, BOOT_MS);
  assert.equal(await shell(page, 'uname -m'), 'riscv64');
  const sum = 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo $i';
  assert.equal(await shell(page, sum), '20000');

  const stats = await page.evaluate(() => window.tabvisor.machine.stats());
  const share = stats.jit.instructions / stats.instructions;
  t.diagnostic(
    `${(100 * share).toFixed(1)} % of the instructions compiled, ${stats.jit.quickRegions} + ${stats.jit.hotRegions} regions, ` +
      `${stats.jit.modules} modules, ${stats.jit.codeBytes} bytes, longest stall ${stats.jit.longestStallMs.toFixed(1)} ms`,
  );
  assert.ok(share > 0.5, `${(100 * share).toFixed(1)} % compiled`);
  assert.ok(stats.jit.modules > 0 && stats.jit.codeBytes > 0);
  assert.ok(
    stats.jit.longestStallMs < LONGEST_STALL_MS,
    `the guest stood still for ${stats.jit.longestStallMs} ms`,
  );

  const figure = (name) => page.textContent(`#figure-${name}`);
  assert.match(await figure('compiled'), /^\d+(\.\d)? %$/);
  assert.match(await figure('regions'), /^\d+ \d+ hot$/);
  assert.match(await figure('modules'), /^\d+ [\d.]+ [KM]?B$/);
  assert.match(await page.textContent('#guest-name'), /compiler$/);
});

test('what a link says about the machine in words holds, also after another was started from the form', async (t) => {
  const { page } = await openPage(
    t,
    '?guest=monitor&tlb=concurrent,fifo&gc=simple,budget=9&passes=none&tiers=quick=9',
  );
  const mode = () => page.evaluate(async () => (await window.tabvisor.machine.stats()).jit.gc.mode);
  await waitForOutput(page, /monitor> $/);
  assert.equal(await mode(), 'simple');
  await page.click('#configure');
  await page.fill('#memory', '32');
  await page.click('#machine-start');
  await page.waitForFunction(() => document.querySelector('#guest-name').textContent.includes('32'));
  await waitForOutput(page, /monitor> $/);
  assert.equal(await mode(), 'simple');
});

test('the engine chosen in the form is the one that runs', async (t) => {
  const { page } = await openPage(t, '?guest=monitor&engine=interp');
  await waitForOutput(page, /monitor> $/);
  const compiles = () => page.evaluate(async () => 'jit' in (await window.tabvisor.machine.stats()));
  assert.equal(await compiles(), false);
  assert.equal(await page.isVisible('#figure-compiled'), false);
  await page.click('#configure');
  assert.equal(await page.inputValue('#engine'), 'interp');
  await page.selectOption('#engine', { label: 'Compiler' });
  await page.click('#machine-start');
  await page.waitForFunction(() => document.querySelector('#guest-name').textContent.endsWith('compiler'));
  await waitForOutput(page, /monitor> $/);
  await waitForState(page, 'Running');
  assert.equal(await compiles(), true);
  await page.waitForSelector('#figure-compiled');
});
