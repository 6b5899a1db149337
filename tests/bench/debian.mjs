// The guest of the benchmarks.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { buildBench } from './build.mjs';
import { cpio } from './cpio.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** The Debian guest as it is, with the one console that every machine here has. */
export function plainGuest() {
  const folder = join(root, 'build/guests/debian');
  const manifest = join(folder, 'manifest.json');
  if (!existsSync(manifest))
    throw new Error('the Debian guest is missing: run cargo run --release -- guest fetch');
  const { kernel, initrd } = JSON.parse(readFileSync(manifest, 'utf8'));
  return {
    kernel: join(folder, kernel),
    initrd: join(folder, initrd),
    append: 'earlycon=sbi console=ttyS0',
  };
}

/**
 * The Debian guest with programs in the root folder of its initramfs, which is written to `initrd`: archives that follow one
 * another are unpacked one over the other. `programs` are paths of binaries by their names in the guest.
 */
export function guestWith(programs, initrd) {
  const plain = plainGuest();
  const files = Object.entries(programs).map(([name, binary]) => ({
    name,
    mode: 0o755,
    content: readFileSync(binary),
  }));
  mkdirSync(dirname(initrd), { recursive: true });
  writeFileSync(initrd, Buffer.concat([readFileSync(plain.initrd), gzipSync(cpio(files))]));
  return { ...plain, initrd };
}

/** The Debian guest with /bench. */
export function prepareGuest() {
  return guestWith({ bench: buildBench('riscv64') }, join(root, 'target/bench/initrd.gz'));
}
