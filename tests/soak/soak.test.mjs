// The soak test's own parts, and its programs under QEMU. Run by `node --test tests/soak`.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Console } from '../bench/console.mjs';
import { PROGRAMS, buildProgram, prepareGuest } from './build.mjs';
import { takeTurns } from './control.mjs';
import { PLACES } from './engines.mjs';
import { SoakGuest } from './guest.mjs';
import { residentMib, shareMib } from './memory.mjs';
import { UsageError, parse } from './options.mjs';
import { addSample, emptyRun, follow, lastLine } from './samples.mjs';
import { drift, interval, judge, wantsControl } from './verdict.mjs';
import { Waits, stolenMs, waitOfBusiest } from './waits.mjs';
import { Yardstick } from './yardstick.mjs';

const runner = join(dirname(fileURLToPath(import.meta.url)), 'run.mjs');
const qemu = '/usr/bin/qemu-riscv64-static';
/** A program that starts others needs the host's kernel to know what to do with RISC-V, and a shell to run. */
const kernelRuns = existsSync('/proc/sys/fs/binfmt_misc/qemu-riscv64');

test('what is asked for is understood', () => {
  assert.deepEqual(parse(['--where', 'page', '--guest', 'exec', '--minutes', '2', '--gc', 'off']), {
    runs: [{ where: 'page', guest: 'exec' }],
    minutes: 2,
    gc: 'off',
    json: undefined,
  });
  const usual = parse([]);
  assert.equal(usual.gc, 'generational');
  assert.deepEqual(
    usual.runs.map(({ where, guest }) => `${where} ${guest}`),
    ['page churn', 'page exec', 'native churn', 'native exec'],
  );
  assert.deepEqual(parse(['--help', '--gc', 'off']), { help: true });
});

test('bad words are refused with a message, before anything is started', () => {
  const bad = [
    [['--where', 'moon'], /--where moon: there is page, native/],
    [['--guest', 'idle'], /--guest idle: there is churn, exec/],
    [['--gc', 'on'], /--gc on: there is generational, simple, off/],
    [['--minutes', '0'], /--minutes 0: a number from 0.5/],
    [['--minutes', 'x'], /--minutes x: a number/],
    [['--seconds', '1'], /--seconds/],
    [['churn'], /churn/],
  ];
  for (const [words, message] of bad)
    assert.throws(
      () => parse(words),
      (error) => error instanceof UsageError && message.test(error.message),
    );
  const { status, stderr } = spawnSync(process.execPath, [runner, '--gc', 'on'], { encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /^soak: --gc on: there is [^]*npm run soak --/);
  const help = execFileSync(process.execPath, [runner, '--help'], { encoding: 'utf8' });
  assert.match(help, /^npm run soak -- /);
});

test('the end is compared with minute 5, or with a third of a shorter run', () => {
  assert.equal(interval(1), 10);
  assert.equal(interval(5), 60);
  // Thirty minutes: minutes 5 to 7 against the last three.
  const minutes = Array.from({ length: 30 }, (_, n) => n + 1);
  assert.deepEqual(drift(minutes, 60), { before: 6, after: 29 });
  // One minute: from 20 s on, two samples each.
  assert.deepEqual(drift([10, 20, 30, 40, 50, 60], 10), { before: 25, after: 55 });
  assert.deepEqual(drift([7, 8, 9], 10), { before: 7, after: 9 });
  assert.deepEqual(drift([7], 10), { before: 7, after: 7 });
  // One odd sample changes nothing.
  const odd = Array.from({ length: 12 }, (_, n) => (n === 10 ? 900 : 100));
  assert.deepEqual(drift(odd, 10), { before: 100, after: 100 });
});

/** A run with made-up samples: memory and throughput go evenly from one value to the other. */
function made({ rss = [300, 300], mips = [400, 400], host = [500, 500], ...more }) {
  const run = emptyRun({ where: 'page', guest: 'churn', gc: 'generational', minutes: 30, interval_s: 60 });
  for (let n = 0; n < 30; n++) {
    run.rss_mb.push(rss[0] + ((rss[1] - rss[0]) * n) / 29);
    run.mips.push(mips[0] + ((mips[1] - mips[0]) * n) / 29);
    run.host.push(host[0] + ((host[1] - host[0]) * n) / 29);
  }
  return { ...run, pause_ms: { p50: 0.1, p99: 0.9, max: 4, total: 20 }, longest_pause: 'make', ...more };
}

test('a run is good when memory, throughput and pauses stay within their limits', () => {
  const missed = (run) => judge(run).wrong;
  assert.deepEqual(missed(made({})), []);
  assert.deepEqual(missed(made({ rss: [300, 200], mips: [400, 600] })), []);
  assert.match(missed(made({ rss: [300, 450] }))[0], /^memory 326 -> 445 MiB, 1\.37 times \(at most 1\.1\)$/);
  assert.match(missed(made({ mips: [400, 200] }))[0], /^throughput .* 0\.57 times \(at least 0\.9\)$/);
  // Half as fast on a host that is half as fast is no loss, and as fast as before on one that is twice as fast is one.
  assert.deepEqual(missed(made({ mips: [400, 200], host: [500, 250] })), []);
  assert.equal(missed(made({ host: [250, 500] })).length, 1);
  const long = { p50: 0.1, p99: 1.5, max: 3 };
  assert.match(
    missed(made({ pause_ms: long }))[0],
    /p99 1\.5 ms, the longest, to make, 3 ms \(at most 1 and 5\)$/,
  );
  assert.equal(missed(made({ pause_ms: { ...long, p99: 0.5, max: 5.1 } })).length, 1);
  // Natively nothing waits for a picture to be drawn.
  assert.deepEqual(missed(made({ pause_ms: long, where: 'native' })), []);
  assert.deepEqual(missed(made({ pause_ms: null })), []);
  assert.match(judge(made({ pause_ms: null })).lines.at(-1), /says nothing/);
  assert.match(judge(made({ rss: [300, 450] })).lines[0], /MISSED$/);
});

test('throughput of a long run is held against that of a fresh guest', () => {
  const long = { gc: 'generational', minutes: 30 };
  assert.equal(wantsControl(long), true);
  assert.equal(wantsControl({ ...long, minutes: 10 }), false);
  assert.equal(wantsControl({ ...long, gc: 'off' }), false);

  // Slower than it was, and so is a fresh guest; one turn was disturbed.
  const slower = { mips: [400, 200], control: { aged: [190, 90, 200, 188], fresh: [200, 195, 210, 200] } };
  const { lines, wrong } = judge(made(slower));
  assert.deepEqual(wrong, []);
  assert.match(lines[1], /0\.57 times$/);
  assert.equal(lines[2], 'throughput in turns with a fresh guest 189 and 200, 0.94 times (at least 0.9)');
  const aged = made({ control: { aged: [170, 170, 170], fresh: [200, 200, 200] } });
  assert.match(judge(aged).wrong[0], /170 and 200, 0\.85 times/);
});

/** A guest that runs as fast as it is said, and notes what is done with it. */
function pretended(name, speed, done, program) {
  let at = 0;
  return {
    resume: async () => (done.push(name), program),
    hold: async () => void done.push(`hold ${name}`),
    figures: async () => ({ instructions: ++at * speed * 1e6, cpu_s: at }),
  };
}

test('two guests take turns, one of them at a time, until a program fails', async () => {
  const done = [];
  const program = { end: new Promise(() => {}) };
  const settings = { settled_s: 0, pairs: 2, turn_s: 0 };
  const aged = pretended('aged', 90, done, program);
  const fresh = pretended('fresh', 100, done, program);
  assert.deepEqual(await takeTurns(aged, fresh, program, settings), { aged: [90, 90], fresh: [100, 100] });
  const pair = ['aged', 'hold aged', 'fresh', 'hold fresh'];
  assert.deepEqual(done, ['hold fresh', ...pair, ...pair.slice(2), ...pair.slice(0, 2)]);

  const failed = { end: Promise.reject(new Error('SOAK-FAILED')) };
  await assert.rejects(takeTurns(aged, fresh, failed, { ...settings, settled_s: 60 }), /SOAK-FAILED/);
  const later = pretended('aged', 90, done, failed);
  await assert.rejects(takeTurns(later, fresh, program, { ...settings, turn_s: 60 }), /SOAK-FAILED/);
});

test('a guest that is held does nothing, and goes on afterwards', { timeout: 300_000 }, async () => {
  const guest = new SoakGuest({ where: 'native', guest: 'exec', gc: 'generational' });
  try {
    const first = await guest.start(prepareGuest());
    await Promise.race([guest.figures(), first.end]);
    await guest.hold(first);
    const before = guest.engine.cpu();
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal(guest.engine.cpu(), before);
    const second = await guest.resume();
    // The next line of figures may be due at once, before it has run for as long as can be told.
    while (guest.engine.cpu() === before) await Promise.race([guest.figures(), second.end]);
    assert.ok(guest.engine.cpu() > before);
    second.stop();
  } finally {
    await guest.close();
  }
});

test('without a collector memory must grow, and a simple one is only looked at', () => {
  assert.deepEqual(judge(made({ gc: 'off', rss: [300, 900], mips: [400, 100] })).wrong, []);
  assert.match(judge(made({ gc: 'off' })).wrong[0], /^memory 300 -> 300 MiB, 1\.00 times \(at least 1\.2\)$/);
  assert.deepEqual(judge(made({ gc: 'simple', rss: [300, 900], mips: [400, 100] })).wrong, []);
});

test('a run that failed is not good, with samples or without', () => {
  const failure = 'SOAK-FAILED a new function gave 1';
  assert.deepEqual(judge(made({ gc: 'simple', failure })).wrong, [failure]);
  const none = emptyRun({ where: 'native', guest: 'exec', gc: 'off', minutes: 1, interval_s: 10 });
  assert.deepEqual(judge({ ...none, failure }).wrong, [failure]);
});

const figures = (more) => ({
  at_s: 10,
  cpu_s: 1,
  rss_mb: 200,
  instructions: 1e9,
  guest_mb: 90,
  code_mb: 2,
  modules: 6,
  stall_ms: 3,
  regions: 7,
  gc: null,
  ...more,
});

test('samples hold what happened between two looks', () => {
  const run = emptyRun({ where: 'native', guest: 'churn', gc: 'simple', minutes: 1, interval_s: 10 });
  const host = { host: 500.04, waited_ms: 4.26, stolen_ms: 10 };
  const later = figures({ at_s: 20, cpu_s: 6, rss_mb: 201.26, instructions: 3e9 });
  addSample(run, figures(), later, 42, host);
  assert.deepEqual([run.rss_mb, run.mips, run.mips_wall, run.iterations], [[201.3], [400], [200], [42]]);
  assert.deepEqual([run.host, run.waited_ms, run.stolen_ms], [[500], [4.3], [10]]);
  assert.deepEqual([run.code_mb, run.modules, run.regions, run.stall_ms], [[2], [6], [7], 3]);
  assert.equal(run.pause_ms, null);
  assert.match(
    lastLine(run),
    /^ +10 s: 201\.3 MiB, 400 MIPS of CPU, 200 on the clock, host 500, waits of 4\.3 ms in a second, 10 ms taken, 42 iterations;/,
  );

  const pauses = { p50_us: 10, p99_us: 1234, max_us: 9000, max_work: 'free', total_us: 20_500 };
  const gc = { mode: 'simple', ...pauses, revived: 3, recompiled: 4 };
  addSample(run, figures(), figures({ cpu_s: 2, at_s: 11, gc }), 43, host);
  assert.deepEqual(run.pause_ms, { p50: 0.01, p99: 1.234, max: 9, total: 20.5 });
  assert.match(lastLine(run), /longest stall 3 ms, pause 9 ms \(free\)$/);
  assert.deepEqual([run.revived, run.recompiled], [3, 4]);
  gc.mode = 'off';
  assert.throws(
    () => addSample(run, figures(), figures({ gc }), 44, host),
    /--gc simple was asked for, and the collector is off/,
  );
});

test('the yardstick measures the host while something else goes on, and is asked for what is new', async () => {
  const yardstick = new Yardstick(5);
  const speeds = [];
  while (speeds.length < 10) speeds.push(await yardstick.take());
  yardstick.stop();
  // Of one size, however busy the host is. A single one may be far off: the host took the core meanwhile.
  const best = Math.max(...speeds);
  assert.ok(best > 10 && best < 10_000, `${best}`);
  assert.ok(speeds.filter((speed) => speed > best / 5).length > 5, speeds.join(' '));
});

test('waits are those of the thread that ran longest, and the longest of them in a second count', () => {
  const last = new Map([
    ['1', { run_ms: 500, waited_ms: 90 }],
    ['2', { run_ms: 10, waited_ms: 1 }],
  ]);
  const now = new Map([
    ['1', { run_ms: 510, waited_ms: 190 }],
    ['2', { run_ms: 900, waited_ms: 4 }],
    ['3', { run_ms: 300, waited_ms: 7 }],
  ]);
  assert.equal(waitOfBusiest(last, now), 3);
  assert.equal(waitOfBusiest(now, now), 0);
  assert.equal(stolenMs('cpu  1 2 3 4 5 6 7 18 9 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n'), 180);
  assert.equal(stolenMs('cpu  1 2 3 4\n'), 0);

  // Of this process, which computes; nobody else can say what comes out but that it is some time.
  const waits = new Waits([process.pid, 1 << 30]);
  for (const until = Date.now() + 30; Date.now() < until;);
  const { waited_ms, stolen_ms } = waits.take();
  waits.stop();
  assert.ok(waited_ms >= 0 && stolen_ms >= 0, `${waited_ms} and ${stolen_ms}`);
});

test("the program's words are followed until it fails, falls silent or is gone", async () => {
  const failing = new Console(() => {});
  const program = follow(failing, 5);
  failing.feed('/churn 1000\r\nSOAK 0 1\r\nSOAK 1 2');
  failing.feed('50\r\n');
  await new Promise(setImmediate);
  assert.equal(program.iterations, 250);
  failing.feed('SOAK-FAILED a kept function gave 7\r\n');
  await assert.rejects(program.end, { message: 'SOAK-FAILED a kept function gave 7' });

  const silent = new Console(() => {});
  silent.feed('Segmentation fault\r\n');
  await assert.rejects(follow(silent, 0.05).end, /in 0\.05 s; the last words:\nSegmentation fault/);

  const gone = new Console(() => {});
  gone.end('the page has crashed');
  await assert.rejects(follow(gone, 5).end, /the page has crashed/);
});

test('lines of figures are told from what the emulator says', async () => {
  const engine = PLACES.native('generational');
  assert.deepEqual(engine.more.slice(-2), ['--gc', 'generational']);
  engine.console = new Console(() => {});
  engine.child = { pid: process.pid };
  const line = JSON.stringify({
    instructions: 5,
    ram_in_use_bytes: 3 << 20,
    jit: {
      quick_regions: 1,
      hot_regions: 2,
      code_bytes: 1 << 20,
      modules: 4,
      longest_stall_us: 1500,
      gc: {
        mode: 'off',
        pause_p50_us: 1,
        pause_p99_us: 2,
        pause_max_us: 3,
        pause_max_work: 'look',
        pause_total_us: 9,
        revived: 4,
        recompiled: 5,
        freed: 6,
        moved: 7,
      },
    },
  });
  const waiting = engine.figures();
  engine.complain(`tabvisor: a warning\n${line.slice(0, 20)}`);
  engine.complain(`${line.slice(20)}\n`);
  const found = await waiting;
  assert.deepEqual(
    [found.instructions, found.guest_mb, found.code_mb, found.modules, found.regions],
    [5, 3, 1, 4, 3],
  );
  assert.equal(found.stall_ms, 1.5);
  assert.deepEqual(found.gc, {
    mode: 'off',
    p50_us: 1,
    p99_us: 2,
    max_us: 3,
    max_work: 'look',
    total_us: 9,
    revived: 4,
    recompiled: 5,
    freed: 6,
    moved: 7,
  });
  assert.equal(engine.console.lastLine(), 'tabvisor: a warning');
});

test('memory of a process is read, and of one that is gone refused', () => {
  const [resident, share] = [residentMib(process.pid), shareMib(process.pid)];
  assert.ok(resident > 10 && resident < 10_000, `${resident}`);
  assert.ok(share > 5 && share <= resident * 1.2, `${share} of ${resident}`);
  assert.throws(() => residentMib(2 ** 30), /has ended/);
});

for (const name of PROGRAMS) {
  const skip = !existsSync(qemu) || (name === 'exec' && !kernelRuns) ? 'the host cannot run it' : false;
  test(`${name} builds`, () => assert.ok(existsSync(buildProgram(name))));
  test(`${name} finds nothing wrong under QEMU, and says how far it is`, { skip }, () => {
    const output = execFileSync(qemu, [buildProgram(name), '150', name === 'exec' ? '40' : '20000'], {
      encoding: 'utf8',
      timeout: 120_000,
    });
    assert.match(output, /^SOAK 0 1\n(SOAK \d+ \d+\n)*$/);
  });
}

test('a program says how it is called', { skip: existsSync(qemu) ? false : 'there is no QEMU' }, () => {
  for (const words of [['0'], ['x'], ['-1'], ['5', '6', '7']]) {
    const { status, stderr } = spawnSync(qemu, [buildProgram('churn'), ...words], { encoding: 'utf8' });
    assert.equal(status, 2, words.join(' '));
    assert.match(stderr, /^usage: .*churn \[LOOPS/);
  }
});

/** Seconds for a collector to have done all that it does; a busy machine is slow. */
const PATIENCE_S = 240;

for (const [place, guest] of [
  ['native', 'exec'],
  ['page', 'churn'],
]) {
  test(`the collector is at work under ${guest}, ${place}`, { timeout: 900_000 }, async () => {
    const engine = PLACES[place]('generational');
    await engine.needs();
    try {
      await engine.boot(prepareGuest());
      engine.console.send(`/${guest} ${engine.loops}\r`);
      const program = follow(engine.console);
      const deadline = Date.now() + PATIENCE_S * 1000;
      for (;;) {
        const { gc } = await Promise.race([engine.figures(), program.end]);
        assert.equal(gc.mode, 'generational');
        // Natively nothing need be moved as long as arenas are full.
        const done = gc.freed > 0 && gc.revived > 0 && (gc.moved > 0 || place === 'native');
        if (done && program.iterations > 0) break;
        assert.ok(Date.now() < deadline, `${JSON.stringify(gc)}, ${program.iterations} iterations`);
        await Promise.race([new Promise((resolve) => setTimeout(resolve, 1000)), program.end]);
      }
      program.stop();
    } finally {
      await engine.close();
    }
  });
}
