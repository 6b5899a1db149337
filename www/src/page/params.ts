/**
 * What a link to the page may ask for:
 * `?guest=debian|monitor&kernel=URL&initrd=URL&disk=URL&append=TEXT&memory=MIB&harts=N&engine=auto|jit|interp`, and
 * `&tlb=WORDS&gc=WORDS&passes=WORDS&tiers=WORDS&profile=0&autostart=0`.
 */

import { ENGINES, HARTS, MEMORY_MIB, isEngine, type EngineName } from '../api';
import { wordsIn, type Words } from '../protocol';

export type GuestName = 'debian' | 'monitor' | 'custom';

export interface PageParams {
  guest?: GuestName;
  kernel?: string;
  initrd?: string;
  disk?: string;
  append?: string;
  memoryMiB?: number;
  harts?: number;
  engine?: EngineName;
  words: Words;
  /** Whether what was hot is kept for the next run, and used. */
  profile: boolean;
  autostart: boolean;
}

/** Reads the parameters; a bad one is an error in words, not a guess. */
export function readParams(query: string): PageParams {
  const from = new URLSearchParams(query);
  const params: PageParams = {
    autostart: from.get('autostart') !== '0',
    profile: from.get('profile') !== '0',
    words: wordsIn((part) => from.get(part)),
  };
  const kernel = from.get('kernel');
  const initrd = from.get('initrd');
  const disk = from.get('disk');
  const append = from.get('append');
  const guest = from.get('guest');
  if (kernel) params.kernel = kernel;
  if (initrd) params.initrd = initrd;
  if (disk) params.disk = disk;
  if (append !== null) params.append = append;
  if (guest !== null && guest !== 'debian' && guest !== 'monitor') {
    throw new Error(
      `This link asks for the guest \u201c${guest}\u201d; there are \u201cdebian\u201d and \u201cmonitor\u201d.`,
    );
  }
  if (guest) params.guest = guest;
  else if (kernel) params.guest = 'custom';
  const memory = number(from, 'memory', MEMORY_MIB);
  const harts = number(from, 'harts', HARTS);
  if (memory !== undefined) params.memoryMiB = memory;
  if (harts !== undefined) params.harts = harts;
  const engine = from.get('engine');
  if (engine !== null) {
    if (!isEngine(engine)) {
      throw new Error(
        `This link asks for the engine \u201c${engine}\u201d; there are ${ENGINES.map((name) => `\u201c${name}\u201d`).join(', ')}.`,
      );
    }
    params.engine = engine;
  }
  return params;
}

function number(
  from: URLSearchParams,
  name: string,
  range: { min: number; max: number },
): number | undefined {
  const text = from.get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < range.min || value > range.max) {
    throw new Error(
      `This link asks for ${name}=${text}; it must be a whole number from ${range.min} to ${range.max}.`,
    );
  }
  return value;
}
