/** Live figures, and a chart of the last two minutes. */

import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { JitStats, MachineStats } from '../api';
import { byId, make, size } from './dom';
import { colour, onThemeChange } from './theme';

/** Points kept: one a second. */
const POINTS = 120;
/** Figures over less than this much time would only flicker. */
const SHORTEST_SPAN_MS = 200;

interface Sample {
  at: number;
  stats: MachineStats;
}

export class FiguresView {
  readonly #host = byId('chart', HTMLElement);
  readonly #mips = byId('figure-mips', HTMLElement);
  readonly #idle = byId('figure-idle', HTMLElement);
  readonly #tlb = byId('figure-tlb', HTMLElement);
  readonly #ram = byId('figure-ram', HTMLElement);
  readonly #used = byId('figure-ram-in-use', HTMLElement);
  readonly #jit = document.querySelectorAll<HTMLElement>('.figures .jit, .legend .compiled');
  readonly #compiled = byId('figure-compiled', HTMLElement);
  readonly #jumps = byId('figure-jumps', HTMLElement);
  readonly #regions = byId('figure-regions', HTMLElement);
  readonly #foreseen = byId('figure-foreseen', HTMLElement);
  readonly #modules = byId('figure-modules', HTMLElement);
  readonly #kept = byId('figure-kept', HTMLElement);
  readonly #collected = byId('figure-collected', HTMLElement);
  readonly #pauses = byId('figure-pauses', HTMLElement);
  #last: Sample | undefined;
  #speeds: number[] = [];
  #idles: number[] = [];
  /** Per cent of the instructions that compiled code ran; null where there is no compiler. */
  #shares: (number | null)[] = [];
  #chart: uPlot | undefined;

  constructor() {
    this.#draw();
    onThemeChange(() => this.#draw());
    new ResizeObserver(() => {
      this.#chart?.setSize({ width: this.#host.clientWidth, height: this.#host.clientHeight });
    }).observe(this.#host);
  }

  /** Forgets everything: another machine begins. */
  clear(): void {
    this.#last = undefined;
    this.#speeds = [];
    this.#idles = [];
    this.#shares = [];
    this.#showJit(undefined);
    const figures = [this.#mips, this.#idle, this.#tlb, this.#ram, this.#used, this.#compiled, this.#jumps];
    for (const figure of figures) figure.textContent = '–';
    this.#plot();
  }

  /** Takes in counters that were read just now. */
  add(stats: MachineStats): void {
    const now = { at: performance.now(), stats };
    const before = this.#last;
    show(this.#ram, size(stats.hostBytes), `RAM ${size(stats.ramBytes)}`);
    show(this.#used, size(stats.ramInUseBytes), `of ${size(stats.ramBytes)}`);
    this.#showJit(stats.jit);
    // A reset starts the counters again.
    if (!before || stats.instructions < before.stats.instructions) {
      this.#last = now;
      return;
    }
    const span = now.at - before.at;
    if (span < SHORTEST_SPAN_MS) return;
    this.#last = now;
    const speed = (stats.instructions - before.stats.instructions) / span / 1000;
    const guestSpan = stats.guestMs - before.stats.guestMs;
    const idle =
      guestSpan > 0 ? Math.min(100, (100 * (stats.idleMs - before.stats.idleMs)) / guestSpan) : 100;
    const accesses = stats.accesses - before.stats.accesses;
    const misses = stats.tlbMisses - before.stats.tlbMisses;
    show(this.#mips, speed < 10 ? speed.toFixed(1) : String(Math.round(speed)), 'MIPS');
    show(this.#idle, String(Math.round(idle)), '%');
    const walks = stats.tlbWalks - before.stats.tlbWalks;
    if (accesses > 0) {
      const hits = Math.max(0, 100 - (100 * misses) / accesses);
      // Walks per thousand accesses, those of fetches among them.
      show(this.#tlb, hits.toFixed(2), `%, ${((1000 * walks) / accesses).toFixed(2)} ‰ walked`);
    }
    this.#shares = [...this.#shares, this.#addJit(before.stats, stats)].slice(-POINTS);
    this.#speeds = [...this.#speeds, speed].slice(-POINTS);
    this.#idles = [...this.#idles, idle].slice(-POINTS);
    if (document.visibilityState === 'visible') this.#plot();
  }

  /** What the compiler holds now. */
  #showJit(jit: JitStats | undefined): void {
    for (const part of this.#jit) part.hidden = !jit;
    if (!jit) return;
    show(this.#regions, String(jit.regions), `${jit.hotRegions} hot`);
    show(this.#foreseen, String(jit.foreseen), `of ${jit.quickRegions}`);
    show(this.#modules, String(jit.modules), size(jit.codeBytes));
    const { gc } = jit;
    const kept = gc.oldBytes + gc.youngBytes + gc.asleepBytes;
    show(this.#kept, size(kept), kept > 0 ? `${Math.round((100 * gc.oldBytes) / kept)} % old` : '');
    show(this.#collected, String(gc.freed), `${gc.revived} revived`);
    const ms = (us: number): string => (us / 1000).toFixed(us < 10_000 ? 1 : 0);
    show(this.#pauses, ms(gc.pauseP99Us), `ms, max ${ms(gc.pauseMaxUs)}`);
    this.#pauses.title = gc.pauseMaxUs > 0 ? `the longest was to ${gc.pauseMaxWork}` : '';
  }

  /** What compiled code did between the two; its share of the instructions in per cent. */
  #addJit({ jit: before, instructions }: MachineStats, { jit: now, ...after }: MachineStats): number | null {
    if (!before || !now) return null;
    const all = after.instructions - instructions;
    const hits = now.targetHits - before.targetHits;
    const looked = hits + now.targetMisses - before.targetMisses;
    if (looked > 0) show(this.#jumps, ((100 * hits) / looked).toFixed(1), '%');
    if (all <= 0) return this.#shares.at(-1) ?? null;
    const share = Math.min(100, (100 * (now.instructions - before.instructions)) / all);
    show(this.#compiled, share.toFixed(share < 99.5 ? 0 : 1), '%');
    return share;
  }

  #data(): uPlot.AlignedData {
    const pad: null[] = new Array<null>(POINTS - this.#speeds.length).fill(null);
    return [
      Array.from({ length: POINTS }, (_, i) => i - POINTS + 1),
      [...pad, ...this.#speeds],
      [...pad, ...this.#idles],
      [...pad, ...this.#shares],
    ];
  }

  #plot(): void {
    this.#chart?.setData(this.#data());
    const last = this.#speeds.at(-1);
    const text =
      last === undefined
        ? 'no figures yet'
        : `now ${last.toFixed(0)} MIPS, ${(this.#idles.at(-1) ?? 0).toFixed(0)} % idle`;
    this.#host.setAttribute('aria-label', `Speed and idle time over the last two minutes: ${text}`);
  }

  #draw(): void {
    this.#chart?.destroy();
    const soft = colour('--soft');
    const line = colour('--line');
    const font = `11px ${getComputedStyle(document.body).fontFamily}`;
    this.#chart = new uPlot(
      {
        width: this.#host.clientWidth || 240,
        height: this.#host.clientHeight || 96,
        padding: [6, 2, 6, 0],
        cursor: { show: false },
        legend: { show: false },
        scales: {
          x: { time: false },
          y: { range: (_chart, _min, max) => [0, Math.max(10, (max ?? 0) * 1.15)] },
          idle: { range: [0, 100] },
        },
        axes: [
          { show: false },
          {
            size: 32,
            gap: 4,
            font,
            stroke: soft,
            ticks: { show: false },
            grid: { stroke: line, width: 1 },
            space: 30,
            values: (_chart, ticks) => ticks.map((tick) => (tick >= 1000 ? `${tick / 1000}k` : String(tick))),
          },
        ],
        series: [
          {},
          { stroke: colour('--accent'), fill: colour('--accent-soft'), width: 1.5, points: { show: false } },
          { scale: 'idle', stroke: colour('--idle'), width: 1, dash: [3, 3], points: { show: false } },
          { scale: 'idle', stroke: colour('--compiled'), width: 1, points: { show: false } },
        ],
      },
      this.#data(),
      this.#host,
    );
  }
}

function show(figure: HTMLElement, value: string, unit: string): void {
  figure.replaceChildren(value, ' ', make('small', { textContent: unit }));
}
