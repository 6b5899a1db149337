// Running things and saying so: one line for each step with how long it took, nothing for what is already done.

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

/** Where everything goes that the scripts make and git ignores. */
export const build = path.join(root, 'build');

/** A failure the user can do something about: told without a stack trace. */
export class Failure extends Error {}

/** What the running step last printed, shown beside the clock. */
let latest = '';

const tty = process.stderr.isTTY;

/** Seconds or minutes since `start`, for people. */
export function since(start) {
  const seconds = (Date.now() - start) / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/**
 * Does `work` and prints `what` with how long it took, unless that was less than `silent` milliseconds: what a build
 * tool takes to find that nothing has changed. While it lasts, shows that it is alive.
 */
export async function step(what, work, silent = 0) {
  const start = Date.now();
  latest = '';
  const show = () => {
    const width = (process.stderr.columns ?? 100) - 1;
    const line = `${what} … ${since(start)}  ${latest}`.slice(0, width);
    process.stderr.write(tty ? `\r\x1b[K${line}` : `${line}\n`);
  };
  if (tty) show();
  const timer = setInterval(show, tty ? 1000 : 60_000);
  const clear = () => {
    clearInterval(timer);
    if (tty) process.stderr.write('\r\x1b[K');
  };
  try {
    const result = await work();
    clear();
    if (Date.now() - start >= silent) console.log(`${what}: ${since(start)}`);
    return result;
  } catch (error) {
    clear();
    console.log(`${what}: FAILED after ${since(start)}`);
    throw error;
  }
}

/**
 * Runs a program to its end and returns what it printed, standard output and error together.
 * A program that is absent or fails is a `Failure` with the end of its output.
 * Options: `cwd`, `env` (added to ours), `log` (a file that gets all of it), `stdout` (only standard output is returned).
 */
export function run(command, args, { cwd = root, env = {}, log, stdout = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const file = log ? createWriteStream(log) : undefined;
    let all = '';
    let out = '';
    const hear = (isOutput) => (chunk) => {
      const text = chunk.toString();
      all += text;
      if (isOutput) out += text;
      file?.write(chunk);
      const lines = text.split(/[\r\n]+/).filter((line) => line.trim() !== '');
      latest = lines.at(-1)?.trim() ?? latest;
    };
    child.stdout.on('data', hear(true));
    child.stderr.on('data', hear(false));
    child.on('error', (error) => {
      file?.end();
      const said =
        error.code === 'ENOENT' ? `${command} is not installed` : `cannot run ${command}: ${error.message}`;
      reject(new Failure(said));
    });
    child.on('close', (code, signal) => {
      file?.end();
      if (code === 0) return resolve(stdout ? out : all);
      const how = code === null ? `was ended by ${signal}` : `failed with status ${code}`;
      const lines = all.trimEnd().split('\n').slice(-60);
      const tail = lines.map((line) => (line.length > 300 ? `${line.slice(0, 300)}…` : line)).join('\n');
      const failure = new Failure(`${command} ${args.join(' ')} ${how}\n${tail}`);
      failure.output = all;
      reject(failure);
    });
  });
}

/** Runs one of our Node programs in this one's place: with the same terminal, and its exit status is ours. */
export function handOver(program, words) {
  const runner = spawn(process.execPath, [program, ...words], { cwd: root, stdio: 'inherit' });
  runner.on('exit', (code) => process.exit(code ?? 1));
}

/** Where a program is, or undefined. */
export function which(program) {
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .map((folder) => path.join(folder, program))
    .find((file) => existsSync(file) && statSync(file).isFile());
}

/** A hash of the contents of files and folders, by their names below the repository. */
export function fingerprint(...names) {
  const hash = createHash('sha256');
  const add = (name) => {
    const file = path.join(root, name);
    if (!existsSync(file)) return;
    if (statSync(file).isDirectory()) {
      for (const entry of readdirSync(file).sort()) {
        if (entry !== 'target') add(path.join(name, entry));
      }
    } else {
      hash.update(`${name}\0`).update(readFileSync(file));
    }
  };
  names.forEach(add);
  return hash.digest('hex');
}

/** Does `work` unless it was done before with the same `inputs`; `file` remembers what it was done with. */
export async function once(file, inputs, what, work) {
  if (existsSync(file) && readFileSync(file, 'utf8') === inputs) return;
  await step(what, work);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, inputs);
}

/** Runs a script's main function; ends with its error in words. */
export async function main(work) {
  try {
    await work();
  } catch (error) {
    console.error(error instanceof Failure ? `\n${error.message}` : error);
    process.exit(1);
  }
}

/** Whether the module with this address is the script that was started. */
export function isMain(address) {
  return path.resolve(process.argv[1] ?? '') === fileURLToPath(address);
}
