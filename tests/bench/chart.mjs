// Draws the rows as an SVG bar chart on a logarithmic scale, readable on light and on dark pages.
import { geometricMean, kernelsOf, ratios } from './report.mjs';

const COLOURS = ['#4477aa', '#ee6677', '#228833', '#ccbb44', '#66ccee', '#aa3377'];
const LEFT = 90;
const WIDTH = 640;
const BAR = 9;
const GAP = 10;
const TOP = 64;

const style = `
  text { font: 12px system-ui, sans-serif; fill: #222 }
  .title { font-size: 15px; font-weight: 600 }
  .small { font-size: 10px }
  .grid { stroke: #8884 }
  @media (prefers-color-scheme: dark) { text { fill: #ddd } }`;

/** The chart, as SVG text: CPU time of every engine over that of `base`. */
export function chart(rows, base) {
  const names = [...new Set(rows.map((row) => row.engine))].filter((engine) => engine !== base);
  const byEngine = new Map();
  for (const engine of names) {
    const map = ratios(rows, engine, base);
    const mean = geometricMean(map);
    if (mean !== undefined) map.set('mean', mean);
    if (map.size > 0) byEngine.set(engine, map);
  }
  const groups = [...kernelsOf(rows), 'mean'].filter((group) =>
    [...byEngine.values()].some((map) => map.has(group)),
  );
  const values = [...byEngine.values()].flatMap((map) => [...map.values()]);
  const lowest = Math.min(1, 10 ** Math.floor(Math.log10(Math.min(1, ...values))));
  const decades = Math.max(1, Math.ceil(Math.log10(Math.max(10, ...values) / lowest)));
  const x = (value) => LEFT + (Math.log10(value / lowest) / decades) * WIDTH;
  const groupHeight = byEngine.size * BAR + GAP;
  const bottom = TOP + groups.length * groupHeight;

  const parts = [
    `<text class="title" x="${LEFT}" y="20">Host CPU time, times that of ${base} (logarithmic)</text>`,
  ];
  let legend = LEFT;
  [...byEngine.keys()].forEach((engine, at) => {
    parts.push(`<rect x="${legend}" y="31" width="10" height="10" fill="${COLOURS[at % COLOURS.length]}"/>`);
    parts.push(`<text x="${legend + 14}" y="40">${engine}</text>`);
    legend += 30 + 7.5 * engine.length;
  });
  for (let decade = 0; decade <= decades; decade++) {
    const value = lowest * 10 ** decade;
    const at = x(value).toFixed(1);
    parts.push(`<path class="grid" d="M${at} ${TOP - 4}V${bottom}"/>`);
    parts.push(
      `<text class="small" x="${at}" y="${TOP - 8}" text-anchor="middle">${+value.toPrecision(1)}</text>`,
    );
  }
  groups.forEach((group, row) => {
    const top = TOP + row * groupHeight;
    const middle = top + (byEngine.size * BAR) / 2 + 4;
    parts.push(`<text x="${LEFT - 8}" y="${middle}" text-anchor="end">${group}</text>`);
    [...byEngine.values()].forEach((map, at) => {
      const value = map.get(group);
      if (value === undefined) return;
      const [from, to] = [x(1), x(value)].sort((a, b) => a - b);
      const y = top + at * BAR;
      const size = `width="${Math.max(1, to - from).toFixed(1)}" height="${BAR - 1}"`;
      parts.push(`<rect x="${from.toFixed(1)}" y="${y}" ${size} fill="${COLOURS[at % COLOURS.length]}"/>`);
      const label = value.toFixed(value < 10 ? 1 : 0);
      parts.push(`<text class="small" x="${(to + 3).toFixed(1)}" y="${y + BAR - 1}">${label}</text>`);
    });
  });
  const size = `${LEFT + WIDTH + 40} ${bottom + 12}`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size}" role="img" aria-label="Benchmark results">
<style>${style}
</style>
${parts.join('\n')}
</svg>
`;
}
