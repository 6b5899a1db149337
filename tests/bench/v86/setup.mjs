// Gets what the engine `v86` needs, once, into build/bench/v86: the emulator from npm, a BIOS and a guest from Debian's
// packages, and the compiler for the guest's benchmark program. Nothing else of the repository needs any of it.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { installPackages, openArchive } from '../../../tools/lib/debian.mjs';
import { build, fingerprint, once, root, run } from '../../../tools/lib/steps.mjs';
import { cpio } from '../cpio.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const folder = join(build, 'bench/v86');
const npm = join(folder, 'npm');

/** Not gcc-multilib, which Debian does not let stand beside cross compilers, and the RISC-V one is needed too. */
const COMPILER = [
  ['i686-linux-gnu-gcc', 'gcc-i686-linux-gnu'],
  ['/usr/i686-linux-gnu/lib/libc.a', 'libc6-dev-i386-cross'],
];

/** The last release of Debian with 32-bit kernels. */
const SUITE = 'bookworm';

/** What the guest's init and shell run, and what the runner types. */
const APPLETS =
  'sh cat dmesg echo ifconfig init ls mkdir modprobe mount poweroff ps reboot rmdir stty sync tr udhcpc uname';

/** Gets everything that is not there yet; gives the paths of it. */
export async function setUpV86() {
  await installPackages(COMPILER, 'the benchmark of v86');
  const lock = ['package.json', 'package-lock.json'].map((name) => `tests/bench/v86/${name}`);
  await once(join(npm, '.tabvisor'), fingerprint(...lock), 'v86 from npm', installV86);
  const recipe = ['init.sh', 'shell.sh', 'profile.sh'].map((name) => `crate/src/bin/tabvisor/guest/${name}`);
  const own = ['tests/bench/v86/setup.mjs', 'tests/bench/cpio.mjs'];
  await once(join(folder, 'guest/.tabvisor'), fingerprint(...recipe, ...own), 'v86: Debian for i386', () =>
    fetchGuest(join(folder, 'guest')),
  );
  return {
    code: join(npm, 'node_modules/v86/build'),
    bios: join(folder, 'guest/bios.bin'),
    vgaBios: join(folder, 'guest/vgabios.bin'),
    kernel: join(folder, 'guest/kernel'),
    initrd: join(folder, 'guest/initrd.gz'),
  };
}

/** Installs exactly what the lock file beside this one names, into a folder of its own. */
async function installV86() {
  mkdirSync(npm, { recursive: true });
  for (const name of ['package.json', 'package-lock.json']) copyFileSync(join(here, name), join(npm, name));
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: npm });
}

async function fetchGuest(target) {
  const work = join(folder, 'fetch');
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  mkdirSync(target, { recursive: true });
  const archive = await openArchive(work, [SUITE], 'i386');
  const unpacked = async (name) => {
    const files = join(work, name);
    await run('dpkg-deb', ['-x', await archive.download(name), files]);
    return files;
  };

  const seabios = join(await unpacked('seabios'), 'usr/share/seabios');
  copyFileSync(join(seabios, 'bios.bin'), join(target, 'bios.bin'));
  copyFileSync(join(seabios, 'vgabios-stdvga.bin'), join(target, 'vgabios.bin'));

  // A package without files of its own that depends on the current kernel.
  const image = (await archive.dependencies('linux-image-686')).find((name) =>
    name.startsWith('linux-image-'),
  );
  if (!image) throw new Error('linux-image-686 depends on no kernel');
  const boot = join(await unpacked(image), 'boot');
  const kernel = readdirSync(boot).find((name) => name.startsWith('vmlinuz'));
  if (!kernel) throw new Error(`${image} holds no kernel`);
  copyFileSync(join(boot, kernel), join(target, 'kernel'));

  const busybox = await unpacked('busybox-static');
  const program = ['usr/bin/busybox', 'bin/busybox'].map((name) => join(busybox, name)).find(existsSync);
  if (!program) throw new Error('busybox-static holds no busybox');
  writeFileSync(join(target, 'initrd.part'), initramfs(readFileSync(program)));
  renameSync(join(target, 'initrd.part'), join(target, 'initrd.gz'));
  rmSync(work, { recursive: true });
}

/** The RISC-V guest's init and shell over busybox for i386; no modules, as v86 has no device here that needs one. */
function initramfs(busybox) {
  const script = (name) => readFileSync(join(root, 'crate/src/bin/tabvisor/guest', name));
  const folders = ['bin', 'dev', 'etc', 'mnt', 'proc', 'root', 'run', 'sys', 'tmp', 'var'];
  const archive = cpio([
    ...folders.map((name) => ({ name, folder: true, mode: 0o755 })),
    { name: 'sbin', link: 'bin' },
    { name: 'bin/busybox', mode: 0o755, content: busybox },
    ...APPLETS.split(' ').map((name) => ({ name: `bin/${name}`, link: 'busybox' })),
    { name: 'init', mode: 0o755, content: script('init.sh') },
    { name: 'etc/shell', mode: 0o755, content: script('shell.sh') },
    { name: 'etc/profile', mode: 0o644, content: script('profile.sh') },
    { name: 'etc/passwd', mode: 0o644, content: Buffer.from('root::0:0:root:/root:/bin/sh\n') },
  ]);
  // Stored, as the RISC-V guest's: unpacking would cost the guest more than the bytes cost the host.
  return gzipSync(archive, { level: 0 });
}
