// What every browser test needs: the built page on a port of its own, and a headless Chromium looking at it.

import {
  createReadStream,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { createServer } from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
export const dist = path.join(root, 'www/dist');
const guests = path.join(root, 'build/guests');

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
};

/** Longest that booting Linux in the page may take, in milliseconds. */
export const BOOT_MS = 240_000;
/** The line that the guest's initramfs prints before its shell. */
export const READY = 'TABVISOR GUEST READY';

/** Whether the Debian guest has been fetched. */
export const hasDebian = existsSync(path.join(guests, 'debian/kernel'));

/**
 * Serves the page at a free port of 127.0.0.1, with no COOP or COEP headers. `more` maps paths to bodies, or to
 * `null` for "not found"; of a body given as `{ parts }` it serves parts, each after `latency` milliseconds, and counts
 * them in `served`.
 */
export async function serve(more = {}) {
  if (!existsSync(path.join(dist, 'index.html'))) {
    throw new Error('www/dist has no page: run "npm run build" first');
  }
  const server = createServer((request, response) => {
    const url = new URL(request.url, 'http://localhost');
    const name = decodeURIComponent(url.pathname);
    if (more[name]?.parts) {
      servePart(request, response, more[name]);
      return;
    }
    if (name in more) {
      const type = TYPES[path.extname(name)] ?? 'application/octet-stream';
      response.writeHead(more[name] === null ? 404 : 200, { 'content-type': type });
      response.end(more[name] ?? undefined);
      return;
    }
    const base = name.startsWith('/guests/') ? path.dirname(guests) : dist;
    const file = path.join(base, name === '/' ? 'index.html' : name);
    if (!file.startsWith(base) || !existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream',
      'content-length': statSync(file).size,
    });
    if (request.method === 'HEAD') response.end();
    else createReadStream(file).pipe(response);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

/** Answers a request for a part of a body. */
function servePart(request, response, body) {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')?.map(Number) ?? [];
  if (first === undefined) {
    response.writeHead(200, { 'content-length': body.parts.length }).end(body.parts);
    return;
  }
  body.served = (body.served ?? 0) + 1;
  setTimeout(() => {
    response.writeHead(206, {
      'content-range': `bytes ${first}-${last}/${body.parts.length}`,
      'content-length': last - first + 1,
      etag: '"1"',
    });
    response.end(body.parts.subarray(first, last + 1));
  }, body.latency ?? 0);
}

/** Starts Chromium. */
export async function browse() {
  const profile = mkdtempSync(path.join(os.tmpdir(), 'tabvisor-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.TABVISOR_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    acceptDownloads: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  return {
    context,
    profile,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** Opens the page with a query; fails the test on errors that the page did not handle. */
export async function openPage(t, query = '', { more, viewport, ...options } = {}) {
  const server = await serve(more);
  t.after(() => server.close());
  const browser = await browse();
  t.after(() => browser.close());
  const page = await browser.context.newPage();
  if (viewport) await page.setViewportSize(viewport);
  if (options.colorScheme) await page.emulateMedia({ colorScheme: options.colorScheme });
  const errors = [];
  page.on('pageerror', (error) => errors.push(error));
  t.after(() => {
    if (errors.length > 0) throw errors[0];
  });
  await page.goto(server.url + query);
  return { page, server, browser };
}

/** Everything the guest has written so far, without carriage returns. */
export async function output(page) {
  return page.evaluate(() => window.tabvisor.outputText().replaceAll('\r', ''));
}

/** Waits until the guest has written something that matches. */
export async function waitForOutput(page, pattern, timeout = 30_000) {
  const { source, flags } = typeof pattern === 'string' ? literal(pattern) : pattern;
  try {
    await page.waitForFunction(
      ([source, flags]) => new RegExp(source, flags).test(window.tabvisor.outputText().replaceAll('\r', '')),
      [source, flags],
      { timeout, polling: 100 },
    );
  } catch (error) {
    const state = await page.textContent('#state');
    const tail = (await output(page)).slice(-1500);
    throw new Error(`no ${source} within ${timeout} ms; the page says "${state}"; last output:\n${tail}`, {
      cause: error,
    });
  }
}

function literal(text) {
  return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
}

/** Waits until the machine's state line says `text`. */
export async function waitForState(page, text, timeout = 30_000) {
  await page.waitForFunction((text) => document.querySelector('#state').textContent.trim() === text, text, {
    timeout,
    polling: 50,
  });
}

/** Types a shell command in the terminal and returns what it prints. */
export async function shell(page, command, timeout = 60_000) {
  const mark = Math.random().toString(36).slice(2);
  await page.focus('#terminal textarea');
  // Quoted in the middle, so that the echo of the command line, however it is wrapped, is not taken for its output.
  await page.keyboard.type(`echo be''gin-${mark}; ${command}; echo; echo e''nd-${mark}\n`);
  await waitForOutput(page, new RegExp(`^end-${mark}$`, 'm'), timeout);
  const text = await output(page);
  const begin = text.indexOf(`begin-${mark}\n`) + `begin-${mark}\n`.length;
  return text.slice(begin, text.indexOf(`end-${mark}`, begin)).trim();
}

/**
 * How much of a core the page's renderers use while nothing is asked of them: the least of three spells, since a busy
 * test machine makes the same work cost more.
 */
export async function idleShare(page, profile) {
  const seconds = 6;
  const shares = [];
  await page.waitForTimeout(3000);
  for (let spell = 0; spell < 3; spell++) {
    const began = cpuSeconds(profile);
    await page.waitForTimeout(seconds * 1000);
    shares.push((cpuSeconds(profile) - began) / seconds);
  }
  return Math.min(...shares);
}

/** CPU seconds used so far by the renderers of the browser with this profile. */
function cpuSeconds(profile) {
  let ticks = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      if (!command.includes('--type=renderer') || !descends(pid, profile)) continue;
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // The process has ended.
    }
  }
  if (ticks === 0) throw new Error('no renderer was found in /proc');
  return ticks / 100;
}

/** Whether an ancestor of the process was started with this profile directory. */
function descends(pid, profile) {
  for (let at = pid; Number(at) > 1;) {
    if (readFileSync(`/proc/${at}/cmdline`, 'utf8').includes(profile)) return true;
    at = readFileSync(`/proc/${at}/stat`, 'utf8').split(') ')[1].split(' ')[1];
  }
  return false;
}
