// The emulator v86 in the same Chromium, with Debian for i386 and the same benchmark sources built for it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { buildBench } from '../build.mjs';
import { cpio } from '../cpio.mjs';
import { setUpV86 } from '../v86/setup.mjs';
import { MEMORY_MIB } from './guest.mjs';
import { Browser } from './page.mjs';

/** As in v86's own examples of Linux, so that nothing holds it back; the console alone measured the same. */
const APPEND = 'console=ttyS0 tsc=reliable mitigations=off random.trust_cpu=on';

const PAGE = '<!doctype html><title>v86</title><script src="libv86.js"></script>';

export class V86 extends Browser {
  /** Gets the emulator and its guest when they are not here. */
  async needs() {
    this.parts = await setUpV86();
    this.binary = buildBench('i386');
  }

  boot() {
    const { code, bios, vgaBios, kernel, initrd } = this.parts;
    const own = gzipSync(cpio([{ name: 'bench', mode: 0o755, content: readFileSync(this.binary) }]));
    return this.open({
      files: {
        '/v86/index.html': Buffer.from(PAGE),
        '/v86/libv86.js': readFileSync(join(code, 'libv86.js')),
        '/v86/v86.wasm': readFileSync(join(code, 'v86.wasm')),
        '/v86/v86-fallback.wasm': readFileSync(join(code, 'v86-fallback.wasm')),
        '/v86/bios': readFileSync(bios),
        '/v86/vgabios': readFileSync(vgaBios),
        '/v86/kernel': readFileSync(kernel),
        '/v86/initrd': Buffer.concat([readFileSync(initrd), own]),
      },
      path: 'v86/index.html',
      listen: (page) => page.evaluate(start, { memory: MEMORY_MIB << 20, append: APPEND }),
      send: (page, text) => page.evaluate((keys) => window.emulator.serial0_send(keys), text),
    });
  }
}

/** Runs in the page: starts the machine and passes on what it writes to its serial port. */
function start({ memory, append }) {
  window.emulator = new window.V86({
    wasm_path: 'v86.wasm',
    memory_size: memory,
    bios: { url: 'bios' },
    vga_bios: { url: 'vgabios' },
    bzimage: { url: 'kernel' },
    initrd: { url: 'initrd' },
    cmdline: append,
    autostart: true,
  });
  // Few pushes, as with our own page: each costs time that is measured.
  let text = '';
  const push = () => {
    void window.benchOutput(text);
    text = '';
  };
  window.emulator.add_listener('serial0-output-byte', (byte) => {
    if (text === '') setTimeout(push, 50);
    text += String.fromCharCode(byte);
  });
}
