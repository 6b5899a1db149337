/** The guests the page knows, and what a person chose to run. */

import type { EngineName, ImageInput, MachineOptions } from '../api';
import type { Words } from '../protocol';
import type { GuestName, PageParams } from './params';

/** Where the page's server keeps the Debian guest, as `tabvisor guest fetch` laid it out. */
const DEBIAN = 'guests/debian/';

/** Kernel command line for Linux guests of the person's own. */
export const LINUX_APPEND = 'earlycon=sbi console=ttyS0';

/** A guest the server has: addresses of its files, and its own command line. */
export interface ServedGuest {
  kernel: string;
  initrd?: string;
  append: string;
}

/** A machine as chosen in the form, by a link, or by default. */
export interface Choice {
  guest: GuestName;
  kernel?: ImageInput;
  initrd?: ImageInput;
  disk?: ImageInput;
  append: string;
  memoryMiB: number;
  harts: number;
  engine: EngineName;
  /** What only a link can ask for. */
  words: Words;
  /** Whether what was hot is kept in the browser for the next run, and used. */
  profile: boolean;
}

/** The Debian guest, if the server has it. */
export async function findDebian(): Promise<ServedGuest | undefined> {
  let manifest: unknown;
  try {
    const response = await fetch(`${DEBIAN}manifest.json`);
    if (!response.ok) return undefined;
    manifest = await response.json();
  } catch {
    // A server that answers every unknown path with its start page has no manifest there either.
    return undefined;
  }
  if (typeof manifest !== 'object' || manifest === null) return undefined;
  const field = (name: string): string | undefined => {
    const value: unknown = Reflect.get(manifest, name);
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const kernel = field('kernel');
  const initrd = field('initrd');
  if (kernel === undefined) return undefined;
  return {
    kernel: DEBIAN + kernel,
    ...(initrd !== undefined && { initrd: DEBIAN + initrd }),
    append: field('append') ?? LINUX_APPEND,
  };
}

/** What to run when nothing was chosen by hand. */
export function defaultChoice(params: PageParams, debian: ServedGuest | undefined): Choice {
  const guest = params.guest ?? (debian ? 'debian' : 'monitor');
  return {
    guest,
    append: params.append ?? defaultAppend(guest, debian),
    memoryMiB: params.memoryMiB ?? 256,
    harts: params.harts ?? 1,
    engine: params.engine ?? 'auto',
    profile: params.profile,
    words: params.words,
    ...(params.kernel && { kernel: params.kernel }),
    ...(params.initrd && { initrd: params.initrd }),
    ...(params.disk && { disk: params.disk }),
  };
}

/** The command line a guest gets unless the person writes another. */
export function defaultAppend(guest: GuestName, debian: ServedGuest | undefined): string {
  if (guest === 'monitor') return '';
  return guest === 'debian' && debian ? debian.append : LINUX_APPEND;
}

/** The options that build what was chosen. */
export function toOptions(choice: Choice, debian: ServedGuest | undefined): MachineOptions {
  const { guest, append, memoryMiB, harts, engine, disk } = choice;
  const options: MachineOptions = { append, memoryMiB, harts, engine, ...choice.words };
  const kernel = choice.kernel ?? (guest === 'debian' ? debian?.kernel : undefined);
  const initrd = choice.initrd ?? (guest === 'debian' ? debian?.initrd : undefined);
  if (guest === 'custom' && kernel === undefined)
    throw new Error('Choose a kernel first, or pick one of the guests.');
  if (guest !== 'monitor') {
    if (kernel !== undefined) options.kernel = kernel;
    if (initrd !== undefined) options.initrd = initrd;
  }
  if (disk !== undefined) options.disks = [{ image: disk }];
  return options;
}

/** One line under the terminal that says what runs. */
export function describe(choice: Choice): string {
  const name = {
    debian: 'Debian Linux, riscv64',
    monitor: 'Built-in monitor',
    custom: imageName(choice.kernel),
  }[choice.guest];
  const harts = choice.harts === 1 ? '1 hart' : `${choice.harts} harts`;
  const engine = { auto: '', jit: ' · compiler', interp: ' · interpreter' }[choice.engine];
  return `${name} · ${choice.memoryMiB} MiB · ${harts}${engine}`;
}

/** What to call an image in words. */
export function imageName(image: ImageInput | undefined): string {
  if (image instanceof File) return image.name;
  if (typeof image === 'string') return image.split('/').pop() || image;
  return 'Own kernel';
}
