// Writes the table of the README from the rows of docs/bench.json, which `npm run bench -- --json docs/bench.json` makes.
//
//   node tests/bench/readme.mjs

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { figures, geometricMean, kernelsOf, ratios } from './report.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const BEGIN = /<!-- bench: [^\n]* -->\n/;
const END = '<!-- bench end -->';

/** The rows as Markdown: seconds of CPU on each engine, the means below, and the ratios that have a goal. */
export function markdown(rows) {
  const engines = [...new Set(rows.map((row) => row.engine))];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const seconds = (kernel, engine) =>
    rows.find((row) => row.kernel === kernel && row.engine === engine)?.cpu_s.toFixed(2) ?? '';
  const mean = (base) => engines.map((engine) => geometricMean(ratios(rows, engine, base))?.toFixed(2) ?? '');
  const bases = ['native', 'qemu', 'interp', 'v86'].filter((base) => engines.includes(base));
  const goals = figures(rows).map(({ name, value, goal }) => line([name, value.toFixed(2), goal]));
  return [
    'Seconds of host CPU time:',
    '',
    line(['', ...engines]),
    line(['---', ...engines.map(() => '--:')]),
    ...kernelsOf(rows).map((kernel) => line([kernel, ...engines.map((engine) => seconds(kernel, engine))])),
    ...bases.map((base) => line([`mean, times ${base}`, ...mean(base)])),
    ...(goals.length > 0
      ? ['', line(['ratio', 'measured', 'goal']), line(['---', '--:', '--:']), ...goals]
      : []),
    '',
  ].join('\n');
}

function write() {
  const rows = JSON.parse(readFileSync(join(root, 'docs/bench.json'), 'utf8'));
  const file = join(root, 'README.md');
  const text = readFileSync(file, 'utf8');
  const begin = BEGIN.exec(text);
  const end = text.indexOf(END);
  if (!begin || end < 0) throw new Error('README.md has no place for the table');
  const start = begin.index + begin[0].length;
  writeFileSync(file, `${text.slice(0, start)}${markdown(rows)}${text.slice(end)}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) write();
