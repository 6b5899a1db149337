/**
 * Tabvisor in a web page, as a library.
 *
 * ```ts
 * const machine = await createMachine({ kernel: '/kernel', initrd: '/initrd.gz', append: 'console=ttyS0' });
 * machine.onOutput((bytes) => terminal.write(bytes));
 * await machine.start();
 * machine.send('uname -m\n');
 * ```
 *
 * Each machine lives in a worker of its own: nothing the guest does can hold up the page. The page of this project is
 * the first user of this file and uses nothing below it.
 */

import { PanicWatch } from './machine/panic';
import { Link } from './machine/link';
import {
  MAX_ADDRESSES,
  MAX_INPUT_BYTES,
  parseConfig,
  type EngineName,
  type ImageSource,
  type MachineState,
  type MachineStats,
  type ShareEntry,
  type WireConfig,
  type WireImage,
} from './protocol';

export { ProtocolError, ENGINES, HARTS, isEngine, MAX_DISKS, MEMORY_MIB } from './protocol';
export type { EngineName, ImageSource, JitStats, MachineState, MachineStats, ShareEntry } from './protocol';

/** Bytes of an image, a `Blob` or `File`, or the address to fetch it from. */
export type ImageInput = ImageSource | Uint8Array | ArrayBuffer | Blob | URL | string;

/**
 * A disk; what the guest writes stays in memory and never reaches `image`. From an address whose server serves parts of
 * files (`Range`) only what the guest reads is fetched, many parts at once.
 */
export interface DiskOptions {
  image: ImageInput;
  /** The guest is told that the disk cannot be written. Default: false. */
  readOnly?: boolean;
}

/** What to build. Everything has a default: with no options at all the embedded monitor runs. */
export interface MachineOptions {
  /** Linux Image (raw, gzip or zstd, EFI stub or not) or ELF. Default: the embedded monitor. */
  kernel?: ImageInput;
  initrd?: ImageInput;
  /** M-mode firmware such as OpenSBI. Default: Tabvisor's own SBI. */
  bios?: ImageInput;
  disks?: readonly DiskOptions[];
  /** Kernel command line. Default: empty. */
  append?: string;
  /** Default: 256. */
  memoryMiB?: number;
  /** Guest processors, 1 to 8. Default: 1. */
  harts?: number;
  /** How guest code is run: `interp`, `jit`, or `auto` for whichever is faster here. Default: `auto`. */
  engine?: EngineName;
  /**
   * How translations of addresses are remembered: words separated by commas, such as `per-cpu,lfu,prefetch=4`. Which
   * there are, a wrong one is answered with. Default: what was measured to be best.
   */
  tlb?: string;
  /**
   * How compiled code is collected: words separated by commas, one of `generational`, `simple` and `off`, and
   * `budget=MIB` for how much is kept. Default: `generational`.
   */
  gc?: string;
  /**
   * What the compiler does to make code faster: words separated by commas, such as `-windows,-fold` for all but two passes,
   * or `none`. To see what each is worth. Default: all.
   */
  passes?: string;
  /**
   * What is compiled when: words separated by commas, such as `quick=5000,no-hot`. Which there are, a wrong one is answered
   * with. Default: what was measured to be best.
   */
  tiers?: string;
  /** Tag under which the guest mounts the in-memory share over 9p. Default: `share`; `false` for none. */
  share?: string | false;
  /** What `profile()` of another machine with the same software gave: code that was hot then is compiled at once. */
  profile?: Uint8Array;
  /** Told while images are being fetched; `total` is 0 when the server did not say. */
  onProgress?: (name: string, loaded: number, total: number) => void;
  /** Makes the worker, for embedders whose bundler needs another way. */
  worker?: () => Worker;
}

/** Takes a registered handler away again. */
export type Unsubscribe = () => void;

/** The guest's shared directory. */
export interface ShareFiles {
  list(): Promise<readonly ShareEntry[]>;
  /** Writes `content` at `path`, replacing a file that is there and making folders on the way. */
  upload(path: string, content: Uint8Array | Blob): Promise<void>;
  download(path: string): Promise<Uint8Array>;
  remove(path: string): Promise<void>;
}

/** A machine. Its promises are rejected with an `Error` whose message can be shown to a person. */
export interface TabvisorMachine {
  readonly state: MachineState;
  /** A name for the contents of its kernel and firmware, the same for the same contents: to keep profiles by. */
  readonly software: string;
  /** Runs: powers on, resumes after a pause, or boots again after power-off. */
  start(): Promise<void>;
  /** Stops guest time. */
  pause(): Promise<void>;
  /** Like the reset button: boots again and runs. */
  reset(): Promise<void>;
  /** Like pulling the plug. */
  powerOff(): Promise<void>;
  /** Types at the guest's console. Text is sent as UTF-8. */
  send(input: string | Uint8Array): void;
  /** Tells the guest's console how big its terminal is. */
  resize(cols: number, rows: number): void;
  /** Console output. A handler that returns a promise holds the guest back once much is waiting. */
  onOutput(handler: (bytes: Uint8Array) => void | Promise<void>): Unsubscribe;
  onState(handler: (state: MachineState) => void): Unsubscribe;
  /** Counters, about once a second while the machine runs. */
  onStats(handler: (stats: MachineStats) => void): Unsubscribe;
  /** The guest's Linux kernel said that it cannot go on; `reason` is its own line. */
  onPanic(handler: (reason: string) => void): Unsubscribe;
  stats(): Promise<MachineStats>;
  /**
   * What was learned of the guest's code so far, for the next machine with the same software: up to 4 MiB. Undefined
   * under the interpreter. It holds hashes, offsets and counts of the guest's code, and none of its data.
   */
  profile(): Promise<Uint8Array | undefined>;
  /**
   * Takes in such a profile, best before the machine is started. Rejects with words if it is none. It is a hint: one of
   * other software does nothing. Under the interpreter it is ignored.
   */
  useProfile(profile: Uint8Array): Promise<void>;
  /**
   * Where guest-virtual addresses lie in guest-physical memory as a hart has them mapped now, in their order; `undefined`
   * for those that are not mapped. The guest sees nothing of it. Many are cheaper at once than one by one.
   */
  translate(addresses: Iterable<bigint>, hart?: number): Promise<(bigint | undefined)[]>;
  readonly files: ShareFiles;
  /** Ends the worker and frees its memory. The machine cannot be used afterwards. */
  dispose(): void;
}

/** Builds a machine, powered off. Rejects with words when an image is missing or bad, or memory is short. */
export async function createMachine(options: MachineOptions = {}): Promise<TabvisorMachine> {
  const config = toWire(options);
  const link = new Link(options.worker?.() ?? defaultWorker(), options.onProgress);
  try {
    const { software } = await link.ask({ kind: 'create', config });
    if (options.profile) await link.ask({ kind: 'useProfile', bytes: options.profile });
    return new WorkerMachine(link, software);
  } catch (error) {
    link.close();
    throw error;
  }
}

function defaultWorker(): Worker {
  return new Worker(new URL('./machine/worker.ts', import.meta.url), { type: 'module', name: 'tabvisor' });
}

function toWire(options: MachineOptions): WireConfig {
  const image = (name: string, input: ImageInput | undefined): WireImage | undefined => {
    if (input === undefined) return undefined;
    if (typeof input === 'string' || input instanceof URL)
      return { name, url: new URL(input, document.baseURI).href };
    if (input instanceof Blob) return { name: input instanceof File ? input.name : name, blob: input };
    if (input instanceof Uint8Array) return { name, bytes: input };
    if (input instanceof ArrayBuffer) return { name, bytes: new Uint8Array(input) };
    const inner = image(input.name, input.data);
    return inner && { ...inner, name: input.name };
  };
  return parseConfig({
    memoryMiB: options.memoryMiB ?? 256,
    harts: options.harts ?? 1,
    engine: options.engine ?? 'auto',
    tlb: options.tlb,
    gc: options.gc,
    passes: options.passes,
    tiers: options.tiers,
    append: options.append ?? '',
    kernel: image('kernel', options.kernel),
    initrd: image('initrd', options.initrd),
    bios: image('bios', options.bios),
    disks: (options.disks ?? []).map((disk, index) => ({
      image: image(`disk ${index}`, disk.image),
      readOnly: disk.readOnly ?? false,
    })),
    share: options.share === false ? undefined : (options.share ?? 'share'),
  });
}

/** What the worker says of an address that is not mapped. */
const NOT_MAPPED = 2n ** 64n - 1n;

/** Handlers for one kind of event. */
class Handlers<T, R = void> {
  readonly #all = new Set<(value: T) => R>();

  add(handler: (value: T) => R): Unsubscribe {
    this.#all.add(handler);
    return () => this.#all.delete(handler);
  }

  call(value: T): R[] {
    return [...this.#all].map((handler) => handler(value));
  }
}

class WorkerMachine implements TabvisorMachine {
  readonly #link: Link;
  readonly #output = new Handlers<Uint8Array, void | Promise<void>>();
  readonly #states = new Handlers<MachineState>();
  readonly #stats = new Handlers<MachineStats>();
  readonly #panics = new Handlers<string>();
  readonly #panic = new PanicWatch((reason) => this.#panics.call(reason));
  #state: MachineState = { kind: 'ready' };

  readonly software: string;

  constructor(link: Link, software: string) {
    this.#link = link;
    this.software = software;
    link.onMessage = (message) => {
      switch (message.kind) {
        case 'output':
          this.#deliver(message.bytes);
          break;
        case 'state':
          this.#state = message.state;
          this.#states.call(message.state);
          break;
        case 'stats':
          this.#stats.call(message.stats);
          break;
      }
    };
    link.onDeath = (message) => {
      this.#state = { kind: 'failed', message };
      this.#states.call(this.#state);
    };
  }

  get state(): MachineState {
    return this.#state;
  }

  /** Hands output to its handlers and, when they are done with it, lets the worker send more. */
  #deliver(bytes: Uint8Array): void {
    this.#panic.feed(bytes);
    void Promise.allSettled(this.#output.call(bytes)).then(() => {
      this.#link.tell({ kind: 'acknowledge', bytes: bytes.length });
    });
  }

  async start(): Promise<void> {
    await this.#link.ask({ kind: 'start' });
  }

  async pause(): Promise<void> {
    await this.#link.ask({ kind: 'pause' });
  }

  async reset(): Promise<void> {
    this.#panic.restart();
    await this.#link.ask({ kind: 'reset' });
  }

  async powerOff(): Promise<void> {
    await this.#link.ask({ kind: 'powerOff' });
  }

  send(input: string | Uint8Array): void {
    const bytes = typeof input === 'string' ? new TextEncoder().encode(input) : input;
    for (let at = 0; at < bytes.length; at += MAX_INPUT_BYTES) {
      this.#link.tell({ kind: 'input', bytes: bytes.slice(at, at + MAX_INPUT_BYTES) });
    }
  }

  resize(cols: number, rows: number): void {
    this.#link.tell({ kind: 'resize', cols, rows });
  }

  onOutput(handler: (bytes: Uint8Array) => void | Promise<void>): Unsubscribe {
    return this.#output.add(handler);
  }

  onState(handler: (state: MachineState) => void): Unsubscribe {
    return this.#states.add(handler);
  }

  onStats(handler: (stats: MachineStats) => void): Unsubscribe {
    return this.#stats.add(handler);
  }

  onPanic(handler: (reason: string) => void): Unsubscribe {
    return this.#panics.add(handler);
  }

  stats(): Promise<MachineStats> {
    return this.#link.ask({ kind: 'stats' });
  }

  profile(): Promise<Uint8Array | undefined> {
    return this.#link.ask({ kind: 'profile' });
  }

  async useProfile(profile: Uint8Array): Promise<void> {
    await this.#link.ask({ kind: 'useProfile', bytes: profile });
  }

  async translate(addresses: Iterable<bigint>, hart = 0): Promise<(bigint | undefined)[]> {
    const all = BigUint64Array.from(addresses);
    const found: (bigint | undefined)[] = [];
    for (let from = 0; from < all.length; from += MAX_ADDRESSES) {
      const some = all.slice(from, from + MAX_ADDRESSES);
      for (const physical of await this.#link.ask({ kind: 'translate', hart, addresses: some }))
        found.push(physical === NOT_MAPPED ? undefined : physical);
    }
    return found;
  }

  readonly files: ShareFiles = {
    list: () => this.#link.ask({ kind: 'list' }),
    upload: async (path, content) => {
      await this.#link.ask({ kind: 'upload', path, content });
    },
    download: (path) => this.#link.ask({ kind: 'download', path }),
    remove: async (path) => {
      await this.#link.ask({ kind: 'remove', path });
    },
  };

  dispose(): void {
    this.#link.close();
  }
}
