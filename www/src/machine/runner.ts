/**
 * Drives a machine from a worker's event loop.
 *
 * The guest runs in slices of a few milliseconds with a turn of the event loop between them, so messages from the page
 * are answered at once; while every hart waits for an interrupt nothing runs at all until the guest's next timer is due
 * or input arrives.
 */

/** How one slice ended. The values are those of the wasm surface's `ExitKind`. */
export const Exit = { Budget: 0, Idle: 1, PowerOff: 2, Reset: 3, Failed: 4, Lost: 5 } as const;

/** What the runner needs of a machine; `WebMachine` of the wasm surface is one. */
export interface Drivable {
  /** Runs about that many instructions; one of `Exit`. */
  run(instructions: number): number;
  /** Guest time in milliseconds at which an idle machine wants to run again; infinity for never. */
  idleUntilMs(): number;
  /** Guest time now, in milliseconds. */
  nowMs(): number;
  /** The guest's exit status after `Failed`. */
  exitCode(): number;
  /** Why the guest cannot go on, after `Lost`. */
  lost(): string;
  takeOutput(): Uint8Array;
  /** Returns how many bytes were taken. */
  input(bytes: Uint8Array): number;
  reset(): void;
  pauseClock(): void;
  resumeClock(): void;
}

/** What the runner tells its owner. */
export interface RunnerEvents {
  output(bytes: Uint8Array): void;
  off(code: number): void;
  /** The guest can do nothing any more, and why. */
  lost(why: string): void;
  /** The machine's own code threw: wasm trapped, or a reset failed. */
  trapped(error: unknown): void;
}

/** Length a slice aims at. Long enough to hide the cost of a turn, short enough for two to pass in a frame. */
const SLICE_MS = 8;
const FIRST_BUDGET = 100_000;
const BUDGET = { min: 10_000, max: 20_000_000 } as const;
/** Output the page has not yet shown beyond which the guest has to wait. */
const MOST_UNSHOWN_BYTES = 1 << 20;
/** Console input that may wait for the guest to take it. */
const MOST_TYPED_BYTES = 16 << 20;
/** Longest that `setTimeout` can wait. */
const LONGEST_SLEEP_MS = 0x7fff_ffff;

export class Runner {
  readonly #machine: Drivable;
  readonly #events: RunnerEvents;
  /** A message to ourselves is the shortest turn of the event loop: timers are clamped to 4 ms. */
  readonly #turn = new MessageChannel();
  #turning = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running = false;
  #budget = FIRST_BUDGET;
  #unshown = 0;
  #typed: Uint8Array[] = [];
  #busyMs = 0;

  constructor(machine: Drivable, events: RunnerEvents) {
    this.#machine = machine;
    this.#events = events;
    this.#turn.port1.onmessage = () => {
      this.#turning = false;
      if (!this.#running) return;
      try {
        this.#slice();
      } catch (error) {
        this.#events.trapped(error);
      }
    };
  }

  get running(): boolean {
    return this.#running;
  }

  /** Milliseconds spent running guest code so far. */
  get busyMs(): number {
    return this.#busyMs;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#machine.resumeClock();
    this.wake();
  }

  stop(): void {
    if (!this.#running) return;
    this.abandon();
    this.#machine.pauseClock();
  }

  /** Stops without another word to a machine that may not be touched any more. */
  abandon(): void {
    this.#running = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Ends for good: an open message channel would keep Node alive. */
  dispose(): void {
    this.stop();
    this.#turn.port1.close();
  }

  /** Something happened that an idle guest should see. */
  wake(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#running || this.#turning || this.#unshown > MOST_UNSHOWN_BYTES) return;
    this.#turning = true;
    this.#turn.port2.postMessage(null);
  }

  /** Console input, passed on as the guest takes it. */
  type(bytes: Uint8Array): void {
    const waiting = this.#typed.reduce((sum, piece) => sum + piece.length, bytes.length);
    if (waiting > MOST_TYPED_BYTES)
      throw new Error('The guest takes no input; too much of it waits already.');
    this.#typed.push(bytes);
    this.wake();
  }

  #offerInput(): void {
    for (let piece = this.#typed.shift(); piece; piece = this.#typed.shift()) {
      const taken = this.#machine.input(piece);
      if (taken < piece.length) {
        this.#typed.unshift(piece.subarray(taken));
        return;
      }
    }
  }

  /** The page has shown `bytes` of output. */
  acknowledge(bytes: number): void {
    const held = this.#unshown > MOST_UNSHOWN_BYTES;
    this.#unshown = Math.max(0, this.#unshown - bytes);
    if (held) this.wake();
  }

  /** Sends whatever the guest has written since the last slice. */
  flush(): void {
    const bytes = this.#machine.takeOutput();
    if (bytes.length === 0) return;
    this.#unshown += bytes.length;
    this.#events.output(bytes);
  }

  #slice(): void {
    this.#offerInput();
    const began = performance.now();
    const exit = this.#machine.run(this.#budget);
    const took = performance.now() - began;
    this.#busyMs += took;
    if (exit === Exit.Budget) this.#adapt(took);
    this.flush();
    switch (exit) {
      case Exit.Budget:
        this.wake();
        break;
      case Exit.Idle:
        this.#sleep();
        break;
      case Exit.Reset:
        this.#machine.reset();
        this.wake();
        break;
      case Exit.PowerOff:
        this.stop();
        this.#events.off(0);
        break;
      case Exit.Failed:
        this.stop();
        this.#events.off(this.#machine.exitCode());
        break;
      case Exit.Lost:
        this.stop();
        this.#events.lost(this.#machine.lost());
        break;
      default:
        throw new Error(`a slice ended in a way that is not known: ${exit}`);
    }
  }

  /** Steers the budget towards slices of `SLICE_MS`, by at most a factor of two at a time. */
  #adapt(took: number): void {
    const factor = Math.min(2, Math.max(0.5, SLICE_MS / Math.max(took, 0.1)));
    this.#budget = Math.round(Math.min(BUDGET.max, Math.max(BUDGET.min, this.#budget * factor)));
  }

  #sleep(): void {
    const until = this.#machine.idleUntilMs();
    if (until === Infinity) return;
    const wait = until - this.#machine.nowMs();
    if (wait <= 0) this.wake();
    else this.#timer = setTimeout(() => this.wake(), Math.min(Math.ceil(wait), LONGEST_SLEEP_MS));
  }
}
