// The page in Firefox: Linux under the compiler. Firefox is driven over WebDriver BiDi by puppeteer, because Playwright wants a
// newer one than Debian has. The page's policy forbids code from text, so no function that waits in the page can be used.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { launch } from 'puppeteer-core';
import { BOOT_MS, READY, serve } from './helper.mjs';

const EVERY_MS = 100;

/** Opens the page with a query; fails the test on errors that the page did not handle. */
async function openFirefox(t, query) {
  const server = await serve();
  t.after(() => server.close());
  const browser = await launch({
    browser: 'firefox',
    executablePath: process.env.TABVISOR_FIREFOX ?? '/usr/bin/firefox-esr',
    headless: true,
  });
  t.after(() => browser.close());
  const page = await browser.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(error));
  t.after(() => {
    if (errors.length > 0) throw errors[0];
  });
  await page.goto(server.url + query);
  return { page, version: await browser.version() };
}

/** Waits until what the guest has written matches. */
async function waitForOutput(page, pattern, timeout) {
  const end = Date.now() + timeout;
  for (;;) {
    const text = await page.evaluate(() => window.tabvisor?.outputText().replaceAll('\r', '') ?? '');
    if (pattern.test(text)) return;
    assert.ok(Date.now() < end, `no ${pattern} within ${timeout} ms; last output:\n${text.slice(-1500)}`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

test('Linux boots under the compiler in Firefox', { timeout: 2 * BOOT_MS }, async (t) => {
  const { page, version } = await openFirefox(t, '?guest=debian&engine=jit');
  await waitForOutput(page, new RegExp(READY), BOOT_MS);
  await page.focus('#terminal textarea');
  // Computed by the guest, so that the echo is not taken for the answer.
  await page.keyboard.type(
    'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo "sum $i of $(uname -m)"\n',
  );
  await waitForOutput(page, /^sum 20000 of riscv64$/m, 60_000);
  const { instructions, jit } = await page.evaluate(() => window.tabvisor.machine.stats());
  const share = jit.instructions / instructions;
  t.diagnostic(
    `${version}: ${(100 * share).toFixed(1)} % of the instructions compiled, ${jit.quickRegions} + ${jit.hotRegions} ` +
      `regions, ${jit.modules} modules, ${jit.codeBytes} bytes, longest stall ${jit.longestStallMs.toFixed(1)} ms`,
  );
  assert.ok(jit.modules > 0 && jit.codeBytes > 0);
  assert.ok(share > 0.5, `${(100 * share).toFixed(1)} % compiled`);
});
