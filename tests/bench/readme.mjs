// Writes the table of the README from the rows of docs/bench.json, which `npm run bench -- --json docs/bench.json` makes.
//
//   node tests/bench/readme.mjs

import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { geometricMean, kernelsOf, ratios } from './report.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const BEGIN = /<!-- bench: [^\n]* -->\n/;
const END = '<!-- bench end -->';

/** The rows as a table in Markdown: seconds of CPU on each engine, and the means below. */
export function markdown(rows) {
  const engines = [...new Set(rows.map((row) => row.engine))];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const seconds = (kernel, engine) =>
    rows.find((row) => row.kernel === kernel && row.engine === engine)?.cpu_s.toFixed(2) ?? '';
  const mean = (base) => engines.map((engine) => geometricMean(ratios(rows, engine, base))?.toFixed(2) ?? '');
  const bases = ['native', 'qemu', 'interp'].filter((base) => engines.includes(base));
  return [
    'Seconds of host CPU time:',
    '',
    line(['', ...engines]),
    line(['---', ...engines.map(() => '--:')]),
    ...kernelsOf(rows).map((kernel) => line([kernel, ...engines.map((engine) => seconds(kernel, engine))])),
    ...bases.map((base) => line([`mean, times ${base}`, ...mean(base)])),
    '',
  ].join('\n');
}

const rows = JSON.parse(readFileSync(join(root, 'docs/bench.json'), 'utf8'));
const file = join(root, 'README.md');
const text = readFileSync(file, 'utf8');
const begin = BEGIN.exec(text);
const end = text.indexOf(END);
if (!begin || end < 0) throw new Error('README.md has no place for the table');
const start = begin.index + begin[0].length;
writeFileSync(file, `${text.slice(0, start)}${markdown(rows)}${text.slice(end)}`);
