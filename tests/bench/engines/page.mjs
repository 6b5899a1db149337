// Engines that run in headless Chromium. A renderer process runs a page and its workers.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Console } from '../console.mjs';
import { cpuSeconds, rendererProcesses } from '../cpu.mjs';
import { Guest, MEMORY_MIB, now } from './guest.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const helper = join(root, 'tests/browser/helper.mjs');

/** A guest in a page of Chromium. */
export class Browser extends Guest {
  /**
   * Opens the page at `path` of a server that has the `files`, bodies by their paths, beside our own page. `listen` is
   * called with the page once it is there and has to see to it that output goes to `window.benchOutput`; `send` types.
   * Opened again, it is another page of the same browser, at the same server.
   */
  async open({ files, path, listen, send }) {
    const { browse, serve } = await import(helper);
    this.server ??= await serve(files);
    this.browser ??= await browse();
    const last = this.page;
    const page = await this.browser.context.newPage();
    this.page = page;
    await last?.close();
    this.console = new Console((text) => send(page, text));
    page.on('crash', () => this.console.end('the page has crashed'));
    page.on('pageerror', (error) => this.console.end(`the page failed: ${error.message}`));
    await page.exposeFunction('benchOutput', (text) => this.console.feed(text));
    // Chromium's own pages start up with it, and are not ours.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const started = now();
    const before = this.cpu();
    await page.goto(`${this.server.url}${path}`);
    await listen(page);
    return this.ready(started, before);
  }

  /** Ids of the processes that run pages. */
  processes() {
    return rendererProcesses(this.browser.profile);
  }

  cpu() {
    return this.processes().reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  }

  async close() {
    await this.browser?.close();
    this.server?.close();
  }
}

/** Our own page. */
export class Page extends Browser {
  /** With `profile` the page remembers what was hot, and uses what it remembers. `more` are further words of its query. */
  constructor(engine, profile = false, more = {}) {
    super();
    this.engine = engine;
    this.profile = profile;
    this.more = more;
  }

  async needs() {
    if (!existsSync(join(root, 'www/dist/index.html')))
      throw new Error('www/dist has no page: run npm run build');
  }

  boot({ kernel, initrd, append }) {
    const query = new URLSearchParams({
      kernel: '/bench/kernel',
      initrd: '/bench/initrd',
      append,
      memory: `${MEMORY_MIB}`,
      harts: '1',
      engine: this.engine,
      profile: this.profile ? '1' : '0',
      ...this.more,
    });
    return this.open({
      files: { '/bench/kernel': readFileSync(kernel), '/bench/initrd': readFileSync(initrd) },
      path: `?${query}`,
      listen: this.#listen,
      send: (page, text) => page.evaluate((keys) => window.tabvisor.machine.send(keys), text),
    });
  }

  async #listen(page) {
    // Not in each frame, which would be drawn for that.
    await page.waitForFunction(() => window.tabvisor?.machine, undefined, { polling: 50 });
    // Output is pushed to us: asking for it again and again would cost the renderer time that is measured.
    await page.evaluate(() => {
      // And each push costs it too, so they are few.
      const decoder = new TextDecoder();
      let text = window.tabvisor.outputText();
      const push = () => {
        void window.benchOutput(text);
        text = '';
      };
      window.tabvisor.machine.onOutput((bytes) => {
        if (text === '') setTimeout(push, 50);
        text += decoder.decode(bytes, { stream: true });
      });
      push();
    });
  }
}
