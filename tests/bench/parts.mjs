// What the runners of benches share that measure parts of the machine: how many rounds, rows with their goals, and the end.
import { writeFileSync } from 'node:fs';

/** The count of rounds that was typed, or the usual one. */
export function roundsOf(text, usage) {
  const rounds = Number(text ?? 3);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds: a count from 1 is wanted\n${usage}`);
  return rounds;
}

/** Rows as they are measured, and `add(name, value, unit)` for them. */
export function collectRows() {
  const rows = [];
  const add = (name, value, unit) => rows.push({ name, value: Number(value.toFixed(4)), unit });
  return { rows, add };
}

/** Prints rows, each with its goal (`goalOf(name)`) if it has one, and writes them to `file` if one is named. */
export function show(rows, goalOf, file) {
  for (const { name, value, unit } of rows) {
    const goal = goalOf(name);
    const remark = goal === undefined ? '' : `  goal ${goal}${value <= goal ? '' : '  MISSED'}`;
    console.log(`${name.padEnd(40)} ${value.toFixed(3).padStart(10)} ${unit}${remark}`);
  }
  if (file) writeFileSync(file, `[\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`);
}

/** Runs `main`; what goes wrong is said in a line. */
export function run(main) {
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
  main().catch((error) => {
    console.error(`bench: ${error.message}`);
    process.exitCode = 1;
  });
}
