// npm run bench:profile: what it is worth to know from another run which code is hot.
//
// Debian is booted by turns without a profile and with the one that a first boot left; medians of the host CPU time and of
// the time on the clock are printed.
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { plainGuest } from './debian.mjs';
import { Page } from './engines/page.mjs';
import { Tabvisor } from './engines/process.mjs';
import { median } from './report.mjs';

const usage = `npm run bench:profile -- [--repeat N]    boots of each kind (default 5)
                         [--engines jit,page-jit]`;

/** Natively: a file, written when the machine ends. */
function native(folder) {
  const file = join(folder, 'profile');
  const boot = async (more, end) => {
    const engine = new Tabvisor('jit', more);
    await engine.needs();
    const figures = await engine.boot(plainGuest());
    await end?.(engine);
    await engine.close();
    return figures;
  };
  return {
    // Ctrl-A X is for terminals; a signal that is asked for ends the machine in the same way.
    prepare: () =>
      boot(['--profile', file], async ({ child }) => {
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGTERM');
        await gone;
      }),
    without: () => boot([]),
    // It is killed, so the profile stays what it was.
    with: () => boot(['--profile', file]),
    close: async () => {},
  };
}

/** In the page: the browser keeps it. */
function page() {
  const engine = new Page('jit');
  const boot = (profile) => {
    engine.profile = profile;
    return engine.boot(plainGuest());
  };
  return {
    prepare: async () => {
      await engine.needs();
      await boot(true);
      // A machine that pauses has its profile kept.
      await engine.page.evaluate(() => window.tabvisor.machine.pause());
      await new Promise((resolve) => setTimeout(resolve, 2000));
    },
    without: () => boot(false),
    with: async () => {
      const figures = await boot(true);
      const { jit } = await engine.page.evaluate(() => window.tabvisor.machine.stats());
      if (jit.foreseen === 0) throw new Error('the page has not used the profile that it should have kept');
      return figures;
    },
    close: () => engine.close(),
  };
}

async function measure(name, kind, repeat) {
  const figures = { without: [], with: [] };
  try {
    await kind.prepare();
    for (let i = 0; i < repeat; i++) {
      for (const way of ['without', 'with']) {
        const { cpu_s, wall_s } = await kind[way]();
        figures[way].push({ cpu_s, wall_s });
        console.log(`  ${name} ${way.padEnd(8)} ${cpu_s.toFixed(2)} s of CPU, ${wall_s.toFixed(2)} s`);
      }
    }
  } finally {
    await kind.close();
  }
  const middle = (way, what) => median(figures[way].map((figure) => figure[what]));
  for (const [what, words] of [
    ['cpu_s', 'of CPU'],
    ['wall_s', 'on the clock'],
  ]) {
    const [before, after] = [middle('without', what), middle('with', what)];
    const change = (100 * (after / before - 1)).toFixed(0);
    console.log(
      `${name}: ${before.toFixed(2)} s ${words} without, ${after.toFixed(2)} s with a profile (${change} %)`,
    );
  }
}

async function main() {
  const string = { type: 'string' };
  const { values } = parseArgs({ options: { repeat: string, engines: string, help: { type: 'boolean' } } });
  if (values.help) return console.log(usage);
  const repeat = Number(values.repeat ?? 5);
  if (!Number.isInteger(repeat) || repeat < 1)
    throw new Error(`--repeat: a count from 1 is wanted\n${usage}`);
  const folder = mkdtempSync(join(os.tmpdir(), 'tabvisor-profile-'));
  try {
    const kinds = { jit: () => native(folder), 'page-jit': page };
    for (const name of (values.engines ?? 'jit,page-jit').split(',')) {
      if (!(name in kinds)) throw new Error(`there is no engine ${name} that has profiles\n${usage}`);
      await measure(name, kinds[name](), repeat);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

main().catch((error) => {
  console.error(`bench: ${error.message}`);
  process.exitCode = 1;
});
