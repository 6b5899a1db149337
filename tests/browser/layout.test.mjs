// The page on a phone, by keyboard alone, in light and dark; and how much of it there is to download.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { dist, openPage, waitForOutput, waitForState } from './helper.mjs';

const PHONE = { width: 360, height: 740 };

test('nothing scrolls sideways on a phone', async (t) => {
  const { page } = await openPage(t, '?guest=monitor', { viewport: PHONE });
  await waitForOutput(page, /monitor> $/);
  await page.evaluate(() =>
    window.tabvisor.machine.files.upload(
      'a-name-that-is-far-too-long-for-the-width-of-a-phone.txt',
      new Uint8Array(9),
    ),
  );
  await page.waitForSelector('#file-list li');
  const width = () => page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(await width(), PHONE.width);
  const outside = await page.evaluate((width) => {
    const visible = [...document.querySelectorAll('button, dd, h1, #terminal, #chart')].filter((e) =>
      e.checkVisibility(),
    );
    return visible
      .filter((e) => e.getBoundingClientRect().right > width + 0.5)
      .map((e) => e.id || e.textContent);
  }, PHONE.width);
  assert.deepEqual(outside, []);
  await page.click('#configure');
  assert.equal(await width(), PHONE.width);
  const box = await page.locator('dialog').boundingBox();
  assert.ok(box.x >= 0 && box.x + box.width <= PHONE.width);
});

test('everything can be reached and done by keyboard', async (t) => {
  const { page } = await openPage(t, '?guest=monitor');
  await waitForOutput(page, /monitor> $/);
  const focused = () =>
    page.evaluate(
      () =>
        document.activeElement.ariaLabel ||
        document.activeElement.id ||
        document.activeElement.textContent.trim(),
    );

  // The terminal has the focus, keeps Tab for the guest, and F6 leaves it.
  assert.match(await focused(), /Guest console/);
  await page.keyboard.press('Tab');
  assert.match(await focused(), /Guest console/);
  await page.keyboard.press('F6');
  assert.equal(await focused(), 'Figures and files');
  await page.keyboard.press('F6');
  assert.equal(await focused(), 'run');
  await page.keyboard.press('F6');
  assert.match(await focused(), /Guest console/);
  await page.keyboard.press('Shift+F6');
  assert.equal(await focused(), 'run');

  // The toolbar in its order, with a visible ring.
  const seen = [];
  for (let i = 0; i < 5; i++) {
    seen.push(await focused());
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.equal(outline, 'solid', `focus on ${seen.at(-1)} cannot be seen`);
    await page.keyboard.press('Tab');
  }
  assert.deepEqual(seen, ['run', 'reset', 'power-off', 'configure', 'theme']);

  // Pause and resume without losing the place.
  await page.focus('#run');
  await page.keyboard.press('Enter');
  await waitForState(page, 'Paused');
  assert.equal(await focused(), 'run');
  await page.keyboard.press('Space');
  await waitForState(page, 'Running');

  // The form: opened, filled in and submitted; closed by Escape with the focus back where it was.
  await page.focus('#configure');
  await page.keyboard.press('Enter');
  assert.equal(await page.isVisible('dialog'), true);
  await page.keyboard.press('Escape');
  assert.equal(await page.isVisible('dialog'), false);
  assert.equal(await focused(), 'configure');
  await page.keyboard.press('Enter');
  await page.focus('#memory');
  await page.keyboard.press('Control+A');
  await page.keyboard.type('48');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('#guest-name').textContent.includes('48 MiB'));
  await waitForOutput(page, /monitor> $/);
});

test('controls have names and the state is announced', async (t) => {
  const { page } = await openPage(t, '?guest=monitor');
  await waitForOutput(page, /monitor> $/);
  assert.equal(await page.getAttribute('#state', 'role'), 'status');
  await page.click('#configure');
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll('button, input, select, textarea')]
      .filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim()))
      .map((e) => e.outerHTML),
  );
  assert.deepEqual(nameless, []);
});

for (const colorScheme of ['light', 'dark']) {
  test(`text can be read in ${colorScheme} colours, and the choice can be changed`, async (t) => {
    const { page } = await openPage(t, '?guest=monitor&autostart=0', { colorScheme });
    await waitForState(page, 'Ready');
    assert.deepEqual(await page.evaluate(poorContrast), []);
    const before = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.click('#theme');
    // Colours fade from one to the other.
    await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished)));
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), before);
    assert.deepEqual(await page.evaluate(poorContrast), []);
    await page.reload();
    await waitForState(page, 'Ready');
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), before);
  });
}

/** Elements with text of their own whose contrast is below WCAG AA. Runs in the page. */
function poorContrast() {
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgb = (colour, under = 'white') => {
    canvas.fillStyle = under;
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const luminance = (parts) => {
    const [r, g, b] = parts.map((v) =>
      v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4,
    );
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!/, 0\)$|transparent/.test(colour)) return colour;
    }
    return 'white';
  };
  const poor = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.data.trim());
    if (!own || !element.checkVisibility() || element.closest('.xterm, :disabled, .hidden, .skip, svg'))
      continue;
    const under = background(element);
    const [light, dark] = [
      luminance(rgb(getComputedStyle(element).color, under)),
      luminance(rgb(under)),
    ].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) poor.push(`${element.textContent.trim()}: ${ratio.toFixed(2)}`);
  }
  return poor;
}

test('the whole download, gzipped, is under 1 MB', (t) => {
  const files = readdirSync(dist, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const parts = files.map((entry) => {
    const bytes = readFileSync(path.join(entry.parentPath ?? entry.path, entry.name));
    return { name: entry.name, bytes: gzipSync(bytes, { level: 9 }).length };
  });
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  t.diagnostic(`${total} bytes: ${parts.map(({ name, bytes }) => `${name} ${bytes}`).join(', ')}`);
  assert.ok(parts.some(({ name }) => name.endsWith('.wasm')));
  assert.ok(total < 1_000_000, `${total} bytes`);
});
