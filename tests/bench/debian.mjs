// The guest of the benchmarks.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { buildBench } from './build.mjs';
import { cpio } from './cpio.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');

/** The Debian guest with /bench in its initramfs: archives that follow one another are unpacked one over the other. */
export function prepareGuest() {
  const folder = join(root, 'build/guests/debian');
  const manifest = join(folder, 'manifest.json');
  if (!existsSync(manifest))
    throw new Error('the Debian guest is missing: run cargo run --release -- guest fetch');
  const { kernel, initrd } = JSON.parse(readFileSync(manifest, 'utf8'));
  const binary = readFileSync(buildBench('riscv64'));
  const own = gzipSync(cpio([{ name: 'bench', mode: 0o755, content: binary }]));
  const output = join(root, 'target/bench/initrd.gz');
  writeFileSync(output, Buffer.concat([readFileSync(join(folder, initrd)), own]));
  // The one console that every machine here has.
  return { kernel: join(folder, kernel), initrd: output, append: 'earlycon=sbi console=ttyS0' };
}
