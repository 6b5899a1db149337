/** The worker: owns one machine, answers the page's requests, sends events. The protocol is in `protocol.ts`. */

import init, {
  ImageBytes,
  MachineBuilder,
  RemoteFile,
  type InitOutput,
  type WebMachine,
} from 'tabvisor-wasm';
import {
  ProtocolError,
  parseRequest,
  requestId,
  type Answer,
  type Created,
  type JitStats,
  type MachineState,
  type MachineStats,
  type Request,
  type ShareEntry,
  type WireConfig,
  type WireDisk,
  type WireImage,
  type WorkerMessage,
} from '../protocol';
import { loadBlob, loadImage, type Progress } from './images';
import { Runner } from './runner';

/** The part of a dedicated worker's global scope used here; TypeScript's own text for it clashes with the page's. */
interface WorkerScope {
  postMessage(message: WorkerMessage, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent<unknown>) => void) | null;
  readonly location: { readonly href: string };
}
const scope = self as unknown as WorkerScope;

/** How often figures are sent while the guest runs. */
const STATS_EVERY_MS = 1000;

let wasm: InitOutput | undefined;
let machine: WebMachine | undefined;
let runner: Runner | undefined;
let state: MachineState = { kind: 'ready' };
let statsTimer: ReturnType<typeof setInterval> | undefined;

const progress: Progress = (name, loaded, total) => {
  scope.postMessage({ kind: 'progress', name, loaded, total });
};

function setState(next: MachineState): void {
  state = next;
  if (next.kind === 'running') {
    statsTimer ??= setInterval(sendStats, STATS_EVERY_MS);
  } else {
    clearInterval(statsTimer);
    statsTimer = undefined;
    // A failed machine may not be touched again.
    if (next.kind !== 'failed') sendStats();
  }
  scope.postMessage({ kind: 'state', state: next });
}

/** A trap in wasm leaves the machine in no known state: it is given up. */
function fail(error: unknown): void {
  runner?.abandon();
  setState({ kind: 'failed', message: `The machine stopped on an internal error: ${words(error)}` });
}

async function loadWasm(): Promise<InitOutput> {
  try {
    return await init();
  } catch (error) {
    throw new Error(
      `The emulator itself (tabvisor_bg.wasm) could not be loaded: ${words(error)}. ` +
        'Serve it beside the page, and use a browser with WebAssembly.',
      { cause: error },
    );
  }
}

async function imageBytes(image: WireImage): Promise<ImageBytes> {
  const bytes = new ImageBytes();
  await loadImage(image, bytes, progress);
  return bytes;
}

async function create(config: WireConfig): Promise<Created> {
  if (machine) throw new ProtocolError('this worker has a machine already');
  wasm = await loadWasm();
  const builder = new MachineBuilder(config.memoryMiB, config.harts);
  builder.engine(config.engine);
  if (config.tlb !== undefined) builder.tlb(config.tlb);
  if (config.gc !== undefined) builder.gc(config.gc);
  if (config.passes !== undefined) builder.passes(config.passes);
  if (config.tiers !== undefined) builder.tiers(config.tiers);
  builder.append(config.append);
  if (config.bios) builder.bios(config.bios.name, await imageBytes(config.bios));
  if (config.kernel) builder.kernel(config.kernel.name, await imageBytes(config.kernel));
  if (config.initrd) builder.initrd(config.initrd.name, await imageBytes(config.initrd));
  for (const disk of config.disks) await addDisk(builder, disk);
  if (config.share !== undefined) builder.share(config.share);
  machine = builder.build();
  runner = new Runner(machine, {
    output: (bytes) => scope.postMessage({ kind: 'output', bytes }, [bytes.buffer as ArrayBuffer]),
    off: (code) => setState({ kind: 'off', code }),
    lost: (why) => setState({ kind: 'failed', message: `The guest cannot go on: ${why}` }),
    trapped: fail,
  });
  return { software: machine.software() };
}

/** A disk at an address is read in parts as the guest wants them, or as a whole before if its server has no parts. */
async function addDisk(builder: MachineBuilder, { image, readOnly }: WireDisk): Promise<void> {
  if ('url' in image && !image.url.startsWith('data:')) {
    const url = new URL(image.url, scope.location.href).href;
    try {
      builder.remoteDisk(await RemoteFile.open(url, () => runner?.wake()), readOnly);
      return;
    } catch (error) {
      console.info(`The disk ${image.name} is fetched as a whole: ${words(error)}`);
    }
  }
  builder.disk(await loadBlob(image, progress), readOnly);
}

function stats(): MachineStats {
  const { machine, runner } = built();
  const counters = machine.stats();
  const figures: MachineStats = {
    instructions: counters.instructions,
    guestMs: machine.nowMs(),
    idleMs: counters.idleMs,
    accesses: counters.accesses,
    tlbMisses: counters.tlbMisses,
    tlbWalks: counters.tlbWalks,
    tlbFences: counters.tlbFences,
    ramBytes: counters.ramBytes,
    ramInUseBytes: counters.ramInUseBytes,
    hostBytes: wasm?.memory.buffer.byteLength ?? 0,
    busyMs: runner.busyMs,
    ...jitStats(machine),
  };
  counters.free();
  return figures;
}

function jitStats(machine: WebMachine): { jit?: JitStats } {
  const counters = machine.jitStats();
  if (!counters) return {};
  const jit: JitStats = {
    instructions: counters.instructions,
    quickRegions: counters.quickRegions,
    hotRegions: counters.hotRegions,
    foreseen: counters.foreseen,
    profilePages: counters.profilePages,
    regions: counters.regions,
    modules: counters.modules,
    codeBytes: counters.codeBytes,
    targetHits: counters.targetHits,
    targetMisses: counters.targetMisses,
    longestStallMs: counters.longestStallMs,
    gc: {
      mode: counters.gcMode,
      minor: counters.minorCollections,
      major: counters.majorCollections,
      youngBytes: counters.youngBytes,
      oldBytes: counters.oldBytes,
      asleepBytes: counters.asleepBytes,
      promoted: counters.promoted,
      freed: counters.freed,
      revived: counters.revived,
      recompiled: counters.recompiled,
      moved: counters.moved,
      returnedBytes: counters.returnedBytes,
      pauses: Array.from(counters.pausesByDoublingUs),
      pauseTotalUs: counters.pauseTotalUs,
      pauseP50Us: counters.pauseP50Us,
      pauseP99Us: counters.pauseP99Us,
      pauseMaxUs: counters.pauseMaxUs,
      pauseMaxWork: counters.pauseMaxWork,
    },
  };
  counters.free();
  return { jit };
}

function sendStats(): void {
  if (machine) scope.postMessage({ kind: 'stats', stats: stats() });
}

function built(): { machine: WebMachine; runner: Runner } {
  if (!machine || !runner) throw new ProtocolError('there is no machine yet: send "create" first');
  return { machine, runner };
}

function start(): void {
  const { machine, runner } = built();
  if (state.kind === 'failed') throw new Error('The machine has failed; make a new one.');
  if (state.kind === 'off') machine.reset();
  runner.start();
  if (state.kind !== 'running') setState({ kind: 'running' });
}

function reset(): void {
  const { machine } = built();
  if (state.kind === 'failed') throw new Error('The machine has failed; make a new one.');
  machine.reset();
  // Reset has just been done: keep `start` from doing it twice.
  if (state.kind === 'off') state = { kind: 'ready' };
  start();
  built().runner.wake();
}

async function answer(request: Request): Promise<Answer> {
  if (request.kind === 'create') {
    return create(request.config);
  }
  const { machine, runner } = built();
  switch (request.kind) {
    case 'start':
      start();
      return undefined;
    case 'pause':
      if (state.kind === 'running') {
        runner.stop();
        setState({ kind: 'paused' });
      }
      return undefined;
    case 'reset':
      reset();
      return undefined;
    case 'powerOff':
      runner.stop();
      if (state.kind !== 'off' && state.kind !== 'failed') setState({ kind: 'off', code: 0 });
      return undefined;
    case 'input':
      runner.type(request.bytes);
      return undefined;
    case 'resize':
      machine.resize(request.cols, request.rows);
      runner.wake();
      return undefined;
    case 'acknowledge':
      runner.acknowledge(request.bytes);
      return undefined;
    case 'stats':
      return stats();
    case 'profile':
      return machine.profile();
    case 'useProfile':
      machine.useProfile(request.bytes);
      return undefined;
    case 'translate':
      return machine.translate(request.hart, request.addresses);
    case 'list':
      return list(machine);
    case 'upload':
      machine.writeFile(request.path, await content(request.content));
      return undefined;
    case 'download':
      return machine.readFile(request.path);
    case 'remove':
      machine.removeFile(request.path);
      return undefined;
  }
}

async function content(from: Uint8Array | Blob): Promise<Uint8Array> {
  return from instanceof Uint8Array ? from : new Uint8Array(await from.arrayBuffer());
}

function list(machine: WebMachine): ShareEntry[] {
  return machine.listFiles().map((file) => {
    const entry: ShareEntry = {
      path: file.path,
      kind: file.kind === 'directory' ? 'directory' : 'file',
      size: file.size,
    };
    file.free();
    return entry;
  });
}

function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

scope.onmessage = async ({ data }) => {
  let id = requestId(data);
  try {
    const request = parseRequest(data);
    id = request.id;
    scope.postMessage({ kind: 'reply', id, answer: await answer(request) });
  } catch (error) {
    if (id === undefined) console.warn('A message without an id was refused:', error);
    else scope.postMessage({ kind: 'refusal', id, message: words(error) });
    if (error instanceof WebAssembly.RuntimeError) fail(error);
  }
};
