// What the runner shows of its rows: ratios, their geometric means, the table, and the figures that have a goal.

/** The median of some numbers. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** CPU seconds of `engine` over those of `base` by kernel, for kernels that both have. */
export function ratios(rows, engine, base) {
  const found = new Map();
  for (const row of rows) {
    const other = rows.find((candidate) => candidate.engine === base && candidate.kernel === row.kernel);
    if (row.engine === engine && other && other.cpu_s > 0) found.set(row.kernel, row.cpu_s / other.cpu_s);
  }
  return found;
}

/** The geometric mean of a map of ratios, the boot aside; undefined of none. */
export function geometricMean(map) {
  const values = [...map]
    .filter(([kernel, value]) => kernel !== 'boot' && value > 0)
    .map(([, value]) => value);
  if (values.length === 0) return undefined;
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

function number(value) {
  return value === undefined ? '' : value.toFixed(value < 10 ? 2 : 1);
}

/** The kernels of the rows, the boot first. */
export function kernelsOf(rows) {
  const kernels = [...new Set(rows.map((row) => row.kernel))];
  return kernels.sort((a, b) => (b === 'boot') - (a === 'boot'));
}

/** The table: seconds of CPU for each engine, and how many times that of others it is. */
export function table(rows) {
  const kernels = kernelsOf(rows);
  const names = [...new Set(rows.map((row) => row.engine))];
  const columns = [];
  for (const engine of names) {
    const seconds = (kernel) => rows.find((row) => row.engine === engine && row.kernel === kernel)?.cpu_s;
    columns.push({ head: [engine, 'CPU s'], cell: (kernel) => number(seconds(kernel)), mean: '' });
    // An engine in the page is also held against the same engine outside it.
    const twin = engine.startsWith('page-') ? [engine.slice('page-'.length)] : [];
    for (const base of ['native', 'qemu', ...twin]) {
      if (engine === base || engine === 'native' || !names.includes(base)) continue;
      const map = ratios(rows, engine, base);
      const cell = (kernel) => number(map.get(kernel));
      columns.push({ head: ['', `x ${base}`], cell, mean: number(geometricMean(map)) });
    }
  }
  const line = (first, cells) => first.padEnd(10) + cells.map((cell) => cell.padStart(13)).join('');
  return [
    line(
      '',
      columns.map((column) => column.head[0]),
    ),
    line(
      'kernel',
      columns.map((column) => column.head[1]),
    ),
    ...kernels.map((kernel) =>
      line(
        kernel,
        columns.map((column) => column.cell(kernel)),
      ),
    ),
    line(
      'mean',
      columns.map((column) => column.mean),
    ),
  ].join('\n');
}

const mean = geometricMean;
const worst = (map) => {
  const values = [...map].filter(([kernel]) => kernel !== 'boot').map(([, value]) => value);
  return values.length > 0 ? Math.max(...values) : undefined;
};
const only = (kernel) => (map) => map.get(kernel);

/** The ratios that the compiled engines are judged by, and how much each may be: [engine, base, what, value, goal]. */
const GOALS = [
  ['page-jit', 'qemu', 'mean', mean, 0.8],
  ['page-jit', 'qemu', 'worst kernel', worst, 1.5],
  ['page-jit', 'qemu', 'matmul', only('matmul'), 0.35],
  ['page-jit', 'qemu', 'boot', only('boot'), 1.5],
  ['jit', 'qemu', 'mean', mean, 0.4],
  ['jit', 'qemu', 'worst kernel', worst, 0.9],
  ['jit', 'qemu', 'boot', only('boot'), 1],
  ['page-jit', 'v86', 'mean', mean, 0.25],
];

/** Those of the ratios that the rows allow: `[{ name, value, goal, reached, text }]`, `text` a line for people. */
export function figures(rows) {
  return GOALS.flatMap(([engine, base, what, of, goal]) => {
    const value = of(ratios(rows, engine, base));
    if (value === undefined) return [];
    const name = `${engine}/${base}, ${what}`;
    const reached = value <= goal;
    const text = `${name.padEnd(32)}${number(value).padStart(6)}   goal ${goal}${reached ? '' : '   MISSED'}`;
    return [{ name, value, goal, reached, text }];
  });
}
