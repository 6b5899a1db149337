/**
 * The messages between the page and the worker that owns the machine: the whole protocol is in this file.
 *
 * Requests carry an `id` and get exactly one `reply` each, in any order; events come unasked. Both directions are
 * validated on arrival: a message that does not fit is refused with words, never trusted.
 */

/** Longest console input taken in one message, in bytes. */
export const MAX_INPUT_BYTES = 1 << 20;
/** Longest name of an image or path in the share, in characters. */
export const MAX_NAME_LENGTH = 4096;
/** Longest kernel command line, in bytes. */
export const MAX_APPEND_LENGTH = 2048;
/** Guest memory offered, in MiB. One wasm allocation ends below 2 GiB, and the machine needs room beside the guest. */
export const MEMORY_MIB = { min: 16, max: 1536 } as const;
/** Harts (guest processors) offered. */
export const HARTS = { min: 1, max: 8 } as const;
/** Addresses that one request may translate: each group of them takes a moment in which nothing else is answered. */
export const MAX_ADDRESSES = 1 << 16;
/** Longest profile, in bytes. */
export const MAX_PROFILE_BYTES = 4 << 20;
/** Longest description of the TLB, in characters. */
export const MAX_WORDS_LENGTH = 200;
/** Disks that fit on the board beside its other devices. */
export const MAX_DISKS = 4;

/** Bytes for the machine: in memory, in a file the user chose, or to be fetched from an address. */
export interface ImageSource {
  /** What to call it in messages. */
  readonly name: string;
  readonly data: Uint8Array | Blob | URL | string;
}

/** An image as it crosses to the worker: addresses are absolute text. */
export type WireImage =
  | { readonly name: string; readonly bytes: Uint8Array }
  | { readonly name: string; readonly blob: Blob }
  | { readonly name: string; readonly url: string };

export interface WireDisk {
  readonly image: WireImage;
  readonly readOnly: boolean;
}

/** How guest code is run: interpreted, compiled to wasm once it is hot, or whichever of these is faster here. */
export const ENGINES = ['auto', 'jit', 'interp'] as const;
export type EngineName = (typeof ENGINES)[number];

/** Whether there is an engine of that name. */
export function isEngine(value: unknown): value is EngineName {
  return (ENGINES as readonly unknown[]).includes(value);
}

/** Parts of the machine that are chosen in words, which the machine reads itself, and what messages call them. */
export const WORDED = {
  tlb: 'the TLB\u2019s words',
  gc: 'the collector\u2019s words',
  passes: 'the words for passes',
  tiers: 'the words for tiers',
} as const;

/** What is said about them; what is usual is not said. */
export type Words = { -readonly [part in keyof typeof WORDED]?: string };

/** Picks the words out of something, each read by `read`. */
export function wordsIn(read: (part: keyof Words) => string | null | undefined): Words {
  const words: Words = {};
  for (const part of Object.keys(WORDED) as (keyof Words)[]) {
    const said = read(part);
    if (said !== null && said !== undefined) words[part] = said;
  }
  return words;
}

/** Everything the worker needs to build a machine. */
export interface WireConfig extends Readonly<Words> {
  readonly memoryMiB: number;
  readonly harts: number;
  readonly engine: EngineName;
  readonly append: string;
  /** Without one the embedded monitor runs. */
  readonly kernel?: WireImage;
  readonly initrd?: WireImage;
  readonly bios?: WireImage;
  readonly disks: readonly WireDisk[];
  /** Mount tag of the in-memory share; absent for none. */
  readonly share?: string;
}

/** One entry of the share. */
export interface ShareEntry {
  /** Path below the share's root, with `/` between names. */
  readonly path: string;
  readonly kind: 'file' | 'directory';
  /** Bytes. */
  readonly size: number;
}

/** What the compiler has done since power-on. */
export interface JitStats {
  /** Instructions retired by compiled code. */
  readonly instructions: number;
  /** Regions of guest code formed for the quick tier. */
  readonly quickRegions: number;
  /** Regions compiled anew with every optimisation. */
  readonly hotRegions: number;
  /** Of the quick ones, those formed at the first arrivals, since a profile had them. */
  readonly foreseen: number;
  /** Pages of code that the profile knows. */
  readonly profilePages: number;
  /** Regions held now. */
  readonly regions: number;
  /** WebAssembly modules made. */
  readonly modules: number;
  /** Bytes of code held now. */
  readonly codeBytes: number;
  /** Look-ups by the run loop of the targets of jumps that found compiled code; those of compiled code are not counted. */
  readonly targetHits: number;
  readonly targetMisses: number;
  /** The longest that the guest has stood still while code was compiled or handed to the browser, in milliseconds. */
  readonly longestStallMs: number;
  readonly gc: GcStats;
}

/** What the collector of compiled code has done since power-on, and what it holds. */
export interface GcStats {
  /** `generational`, `simple` or `off`. */
  readonly mode: string;
  /** Collections of the young, and of all. */
  readonly minor: number;
  readonly major: number;
  /** Bytes of the young, of the old, and of those whose source was written and that may be what it was. */
  readonly youngBytes: number;
  readonly oldBytes: number;
  readonly asleepBytes: number;
  /** Regions that have become old, that were freed, and whose source was found to be what it was. */
  readonly promoted: number;
  readonly freed: number;
  readonly revived: number;
  /** Regions compiled again that had been given back. */
  readonly recompiled: number;
  /** Regions moved into new modules so that the old ones could be given back, and the bytes of those. */
  readonly moved: number;
  readonly returnedBytes: number;
  /** How many steps of collections took up to 1, 2, 4, 8… microseconds. */
  readonly pauses: readonly number[];
  /** How long all of them took, what half of them and 99 in 100 did not exceed, and the longest, in microseconds. */
  readonly pauseTotalUs: number;
  readonly pauseP50Us: number;
  readonly pauseP99Us: number;
  readonly pauseMaxUs: number;
  /**
   * What the longest was for: `look` at regions, `free` some, `flush` the branch-target caches, and to move regions `choose`, `copy`,
   * `make` a module and `place` them; `none` if there was none.
   */
  readonly pauseMaxWork: string;
}

/** Counters since power-on. */
export interface MachineStats {
  readonly instructions: number;
  /** Milliseconds of guest time since power-on; it stands still while paused. */
  readonly guestMs: number;
  /** Milliseconds during which every hart was waiting for an interrupt. */
  readonly idleMs: number;
  /** Loads and stores of the guest. */
  readonly accesses: number;
  /** Those whose address the fast table of translations did not have. */
  readonly tlbMisses: number;
  /** Walks of the guest’s page tables. */
  readonly tlbWalks: number;
  /** Fences of the guest over translations. */
  readonly tlbFences: number;
  /** Bytes of guest memory. */
  readonly ramBytes: number;
  /** Bytes of it that the guest has ever touched. */
  readonly ramInUseBytes: number;
  /** Bytes of the worker’s whole wasm memory, the guest’s included. */
  readonly hostBytes: number;
  /** Milliseconds of host time the worker has spent running guest code. */
  readonly busyMs: number;
  /** Absent under the interpreter. */
  readonly jit?: JitStats;
}

/** What the machine is doing. */
export type MachineState =
  | { readonly kind: 'ready' }
  | { readonly kind: 'running' }
  | { readonly kind: 'paused' }
  /** `code` is the guest's exit status when it gave one. */
  | { readonly kind: 'off'; readonly code: number }
  | { readonly kind: 'failed'; readonly message: string };

export type RequestBody =
  | { readonly kind: 'create'; readonly config: WireConfig }
  | { readonly kind: 'start' }
  | { readonly kind: 'pause' }
  | { readonly kind: 'reset' }
  | { readonly kind: 'powerOff' }
  | { readonly kind: 'input'; readonly bytes: Uint8Array }
  | { readonly kind: 'resize'; readonly cols: number; readonly rows: number }
  /** The page has shown this many bytes of output: the worker may send more. */
  | { readonly kind: 'acknowledge'; readonly bytes: number }
  | { readonly kind: 'stats' }
  | { readonly kind: 'profile' }
  | { readonly kind: 'useProfile'; readonly bytes: Uint8Array }
  | { readonly kind: 'translate'; readonly hart: number; readonly addresses: BigUint64Array }
  | { readonly kind: 'list' }
  | { readonly kind: 'upload'; readonly path: string; readonly content: Uint8Array | Blob }
  | { readonly kind: 'download'; readonly path: string }
  | { readonly kind: 'remove'; readonly path: string };

export type Request = RequestBody & { readonly id: number };

/** What a machine that was just built is. */
export interface Created {
  /** A name for the contents of its kernel and firmware. */
  readonly software: string;
}

/** What each kind of request is answered with. */
export interface Answers {
  create: Created;
  start: undefined;
  pause: undefined;
  reset: undefined;
  powerOff: undefined;
  input: undefined;
  resize: undefined;
  acknowledge: undefined;
  stats: MachineStats;
  /** Undefined under the interpreter. */
  profile: Uint8Array | undefined;
  useProfile: undefined;
  /** In the order of the addresses; all ones where nothing is mapped. */
  translate: BigUint64Array;
  list: readonly ShareEntry[];
  upload: undefined;
  download: Uint8Array;
  remove: undefined;
}

export type Answer = Answers[keyof Answers];

export type WorkerMessage =
  | { readonly kind: 'reply'; readonly id: number; readonly answer: Answer }
  | { readonly kind: 'refusal'; readonly id: number; readonly message: string }
  | { readonly kind: 'output'; readonly bytes: Uint8Array }
  | { readonly kind: 'state'; readonly state: MachineState }
  | { readonly kind: 'stats'; readonly stats: MachineStats }
  /** `total` is 0 while unknown. */
  | { readonly kind: 'progress'; readonly name: string; readonly loaded: number; readonly total: number };

/** A message that does not follow the protocol. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError(`${what} must be an object`);
  }
  return value as Fields;
}

function text(value: unknown, what: string, longest = MAX_NAME_LENGTH): string {
  if (typeof value !== 'string') throw new ProtocolError(`${what} must be text`);
  if (value.length > longest)
    throw new ProtocolError(`${what} is ${value.length} characters long; ${longest} are allowed`);
  return value;
}

function whole(value: unknown, what: string, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new ProtocolError(`${what} must be a whole number from ${min} to ${max}`);
  }
  return value;
}

function bytes(value: unknown, what: string, longest = Number.MAX_SAFE_INTEGER): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new ProtocolError(`${what} must be bytes`);
  if (value.length > longest)
    throw new ProtocolError(`${what} is ${value.length} bytes long; ${longest} are allowed`);
  return value;
}

function addresses(value: unknown): BigUint64Array {
  if (!(value instanceof BigUint64Array)) throw new ProtocolError('addresses must be 64-bit numbers');
  if (value.length > MAX_ADDRESSES)
    throw new ProtocolError(`${value.length} addresses are too many; ${MAX_ADDRESSES} are allowed at once`);
  return value;
}

function optional<T>(value: unknown, parse: (value: unknown) => T): T | undefined {
  return value === undefined ? undefined : parse(value);
}

function image(value: unknown, what: string): WireImage {
  const from = fields(value, what);
  const name = text(from['name'], `${what}: name`);
  if (from['bytes'] !== undefined) return { name, bytes: bytes(from['bytes'], what) };
  if (from['blob'] instanceof Blob) return { name, blob: from['blob'] };
  const url = text(from['url'], `${what}: address`, 1 << 16);
  if (!/^(https?|blob|data):/.test(url))
    throw new ProtocolError(`${what}: ${url} is not an address this page can fetch`);
  return { name, url };
}

/** A machine's configuration, or an error that names the part that is wrong. */
export function parseConfig(value: unknown): WireConfig {
  const from = fields(value, 'the machine');
  const disks = from['disks'];
  if (!Array.isArray(disks) || disks.length > MAX_DISKS)
    throw new ProtocolError(`a machine has at most ${MAX_DISKS} disks`);
  const engine = from['engine'];
  if (!isEngine(engine))
    throw new ProtocolError(`there is no engine "${String(engine)}"; there are ${ENGINES.join(', ')}`);
  const kernel = optional(from['kernel'], (v) => image(v, 'the kernel'));
  const initrd = optional(from['initrd'], (v) => image(v, 'the initrd'));
  const bios = optional(from['bios'], (v) => image(v, 'the firmware'));
  const share = optional(from['share'], (v) => text(v, 'the share\u2019s tag', 31));
  return {
    memoryMiB: whole(from['memoryMiB'], 'memory in MiB', MEMORY_MIB.min, MEMORY_MIB.max),
    harts: whole(from['harts'], 'the number of harts', HARTS.min, HARTS.max),
    engine,
    append: text(from['append'], 'the kernel command line', MAX_APPEND_LENGTH),
    disks: disks.map((disk: unknown, index) => {
      const entry = fields(disk, `disk ${index}`);
      return { image: image(entry['image'], `disk ${index}`), readOnly: entry['readOnly'] === true };
    }),
    ...(kernel && { kernel }),
    ...(initrd && { initrd }),
    ...(bios && { bios }),
    ...wordsIn((part) => optional(from[part], (v) => text(v, WORDED[part], MAX_WORDS_LENGTH))),
    ...(share !== undefined && { share }),
  };
}

/** The `id` of something that may be a request, so that even a bad one can be answered. */
export function requestId(value: unknown): number | undefined {
  if (typeof value !== 'object' || value === null || !('id' in value)) return undefined;
  return typeof value.id === 'number' && Number.isSafeInteger(value.id) ? value.id : undefined;
}

/** A request, or an error that says what is wrong with it. */
export function parseRequest(value: unknown): Request {
  const from = fields(value, 'a request');
  const id = whole(from['id'], 'the request\u2019s id', 0, Number.MAX_SAFE_INTEGER);
  const kind = from['kind'];
  switch (kind) {
    case 'create':
      return { id, kind, config: parseConfig(from['config']) };
    case 'start':
    case 'pause':
    case 'reset':
    case 'powerOff':
    case 'stats':
    case 'profile':
    case 'list':
      return { id, kind };
    case 'useProfile':
      return { id, kind, bytes: bytes(from['bytes'], 'the profile', MAX_PROFILE_BYTES) };
    case 'translate':
      return {
        id,
        kind,
        hart: whole(from['hart'], 'the hart', 0, HARTS.max - 1),
        addresses: addresses(from['addresses']),
      };
    case 'input':
      return { id, kind, bytes: bytes(from['bytes'], 'console input', MAX_INPUT_BYTES) };
    case 'resize':
      return {
        id,
        kind,
        cols: whole(from['cols'], 'columns', 1, 65535),
        rows: whole(from['rows'], 'rows', 1, 65535),
      };
    case 'acknowledge':
      return { id, kind, bytes: whole(from['bytes'], 'the acknowledged length', 0, Number.MAX_SAFE_INTEGER) };
    case 'upload': {
      const content = from['content'];
      return {
        id,
        kind,
        path: text(from['path'], 'the path'),
        content: content instanceof Blob ? content : bytes(content, 'the file'),
      };
    }
    case 'download':
    case 'remove':
      return { id, kind, path: text(from['path'], 'the path') };
    default:
      throw new ProtocolError(`there is no request "${String(kind)}"`);
  }
}

function figures(value: unknown): void {
  const { jit, ...own } = fields(value, 'the figures');
  const { gc, ...compiler } =
    jit === undefined ? { gc: undefined } : fields(jit, 'the compiler\u2019s figures');
  const { mode, pauseMaxWork, pauses, ...collector } =
    gc === undefined
      ? { mode: '', pauseMaxWork: '', pauses: [] }
      : fields(gc, 'the collector\u2019s figures');
  text(mode, 'the collector\u2019s mode', MAX_WORDS_LENGTH);
  text(pauseMaxWork, 'what the longest pause was for', MAX_WORDS_LENGTH);
  if (!Array.isArray(pauses)) throw new ProtocolError('the collector\u2019s pauses must be a list');
  const all: unknown[] = [own, compiler, collector, pauses].flatMap((part) => Object.values<unknown>(part));
  if (!all.every((v) => typeof v === 'number')) throw new ProtocolError('figures must be numbers');
}

const STATES: readonly string[] = ['ready', 'running', 'paused', 'off', 'failed'];

/** A message from the worker. Its payloads are made by our own code; the shape is still checked before use. */
export function parseWorkerMessage(value: unknown): WorkerMessage {
  const from = fields(value, 'a message');
  switch (from['kind']) {
    case 'reply':
    case 'refusal':
      whole(from['id'], 'the reply\u2019s id', 0, Number.MAX_SAFE_INTEGER);
      if (from['kind'] === 'refusal') text(from['message'], 'the refusal', 1 << 16);
      break;
    case 'output':
      bytes(from['bytes'], 'console output');
      break;
    case 'state':
      if (!STATES.includes(String(fields(from['state'], 'the state')['kind'])))
        throw new ProtocolError('an unknown state');
      break;
    case 'stats':
      figures(from['stats']);
      break;
    case 'progress':
      text(from['name'], 'the name');
      whole(from['loaded'], 'the loaded length', 0, Number.MAX_SAFE_INTEGER);
      whole(from['total'], 'the whole length', 0, Number.MAX_SAFE_INTEGER);
      break;
    default:
      throw new ProtocolError(`there is no message "${String(from['kind'])}"`);
  }
  return from as WorkerMessage;
}
