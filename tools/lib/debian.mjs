// Debian's packages: installing those that tests need, and getting one without installing it.

import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Failure, run, step, which } from './steps.mjs';

/** What the tests run, and the package each comes in. A path stands for itself, a bare name is looked up in PATH. */
const PACKAGES = [
  ['qemu-system-riscv64', 'qemu-system-misc'],
  ['/usr/lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin', 'opensbi'],
  ['qemu-riscv64-static', 'qemu-user-static'],
  ['riscv64-unknown-elf-gcc', 'gcc-riscv64-unknown-elf'],
  ['riscv64-linux-gnu-gcc', 'gcc-riscv64-linux-gnu'],
  ['/usr/riscv64-linux-gnu/lib/libc.a', 'libc6-dev-riscv64-cross'],
  ['chromium', 'chromium'],
  ['chromedriver', 'chromium-driver'],
  ['firefox-esr', 'firefox-esr'],
  ['gcc', 'gcc'],
  ['/usr/include/stdio.h', 'libc6-dev'],
  ['mkfs.ext4', 'e2fsprogs'],
];

/** Installs the packages the tests need that are not here. */
export function installTestPackages() {
  return installPackages(PACKAGES, 'the tests');
}

/** Installs those of the packages that are not here; `packages` is a list as above, `purpose` says what needs them. */
export async function installPackages(packages, purpose) {
  const has = (what) =>
    what.startsWith('/') ? existsSync(what) : which(what) || existsSync(`/usr/sbin/${what}`);
  const missing = packages.filter(([what]) => !has(what)).map(([, name]) => name);
  if (missing.length === 0) return;
  if (!which('apt-get')) {
    throw new Failure(
      `What ${purpose} need is in these packages of Debian: ${missing.join(', ')}.\n` +
        'This system has no apt-get: install their like and run the same again.',
    );
  }
  await step(`Debian packages for ${purpose}: ${missing.join(' ')}`, async () => {
    const install = () => asRoot('apt-get', ['install', '-y', '--no-install-recommends', ...missing]);
    try {
      await install();
    } catch {
      // The package lists may be absent or old.
      await asRoot('apt-get', ['update']);
      await install();
    }
  });
}

function asRoot(command, args) {
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  if (process.getuid() === 0) return run(command, args, { env });
  if (!which('sudo')) {
    throw new Failure(`Neither root nor sudo here. As root, run: ${command} ${args.join(' ')}`);
  }
  return run('sudo', ['-n', 'env', 'DEBIAN_FRONTEND=noninteractive', command, ...args]);
}

/**
 * Downloads the version of a package that `accept` likes into `folder`, checked against the archive's signatures, and
 * returns the file's path. Nothing of the system's apt is touched, and no root is needed.
 */
export async function download(name, suites, accept, folder) {
  const archive = await openArchive(folder, suites);
  const versions = await archive.versions(name);
  const version = versions.find(accept);
  if (!version)
    throw new Failure(`Debian's ${suites.join(', ')} have no fitting ${name}: ${versions.join(', ')}`);
  return archive.download(name, version);
}

/**
 * Reads the package lists of some suites, for this machine's architecture or the one given, with an apt whose state is
 * below `folder`. The result looks packages up and downloads them into `folder`.
 */
export async function openArchive(folder, suites, architecture) {
  const state = path.join(folder, 'apt');
  for (const sub of ['lists/partial', 'cache/archives/partial', 'state', 'empty']) {
    mkdirSync(path.join(state, sub), { recursive: true });
  }
  const keyring = ['gpg', 'pgp']
    .map((kind) => `/usr/share/keyrings/debian-archive-keyring.${kind}`)
    .find((file) => existsSync(file));
  if (!keyring) throw new Failure('The package debian-archive-keyring is not installed');
  writeFileSync(
    path.join(state, 'private.sources'),
    `Types: deb\nURIs: ${await mirror()}\nSuites: ${suites.join(' ')}\nComponents: main\nSigned-By: ${keyring}\n`,
  );
  writeFileSync(path.join(state, 'status'), '');
  // Proxies and the like come from the machine, the rest of its settings do not.
  const settings = await run('apt-config', ['dump'], { stdout: true });
  const acquire = settings.split('\n').filter((line) => /^Acquire::(?!IndexTargets)/.test(line));
  const foreign = architecture
    ? [`APT::Architecture "${architecture}";`, `APT::Architectures { "${architecture}"; };`]
    : [];
  const config = [
    ...acquire,
    ...foreign,
    'APT::Sandbox::User "root";',
    'Acquire::Languages "none";',
    `Dir::Etc::sourcelist "${state}/private.sources";`,
    'Dir::Etc::sourceparts "/dev/null";',
    `Dir::Etc::parts "${state}/empty";`,
    'Dir::Etc::main "/dev/null";',
    'Dir::Etc::preferences "/dev/null";',
    `Dir::Etc::preferencesparts "${state}/empty";`,
    `Dir::State "${state}/state";`,
    `Dir::State::lists "${state}/lists";`,
    `Dir::State::status "${state}/status";`,
    `Dir::Cache "${state}/cache";`,
  ];
  writeFileSync(path.join(state, 'apt.conf'), config.join('\n') + '\n');
  const apt = (program, ...words) =>
    run(program, words, {
      cwd: folder,
      env: { APT_CONFIG: path.join(state, 'apt.conf'), LC_ALL: 'C' },
      stdout: true,
    });
  await apt('apt-get', '-qq', 'update');
  return {
    /** The versions of a package, newest first. */
    async versions(name) {
      const lines = (await apt('apt-cache', 'madison', name)).split('\n');
      return lines.map((line) => line.split('|')[1]?.trim()).filter(Boolean);
    },

    /** Names of the packages that one depends on. */
    async dependencies(name) {
      const lines = (await apt('apt-cache', 'depends', '--important', name)).split('\n');
      return lines.map((line) => /Depends: (\S+)/.exec(line)?.[1]).filter(Boolean);
    },

    /** The path of the package's file, of the newest version if none is given. */
    async download(name, version) {
      const what = version ? `${name}=${version}` : name;
      await apt('apt-get', '-qq', 'download', what);
      const file = readdirSync(folder).find(
        (entry) => entry.startsWith(`${name}_`) && entry.endsWith('.deb'),
      );
      if (!file) throw new Failure(`apt-get download ${what} left no file`);
      return path.join(folder, file);
    },
  };
}

/** The address of Debian's main archive: from the environment, else out of this machine's apt sources. */
async function mirror() {
  if (process.env.TABVISOR_DEBIAN_MIRROR) return process.env.TABVISOR_DEBIAN_MIRROR;
  const listing = await run('apt-get', ['--print-uris', 'update'], { stdout: true, env: { LC_ALL: 'C' } });
  const found = listing.match(/^'([^']*\/debian)\/dists\//m);
  if (!found)
    throw new Failure("This machine's apt sources do not name Debian's archive: set TABVISOR_DEBIAN_MIRROR");
  return found[1];
}
