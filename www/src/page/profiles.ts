/**
 * Keeps what machines have learned of their guests' code in the browser, so that the next machine with the same software
 * compiles at once what was hot. It is a help, never a need: where the browser keeps nothing, things go on without.
 */

import type { TabvisorMachine, Unsubscribe } from '../api';

const DATABASE = 'tabvisor';
const STORE = 'profiles';
/** Software whose profiles are kept: those used last. */
const MOST_KEPT = 8;
/** Seconds that a machine has run when its profile is kept; and so often afterwards. */
const FIRST_SECONDS = 10;
const EVERY_SECONDS = 60;

interface Kept {
  readonly software: string;
  readonly bytes: Uint8Array;
  /** Milliseconds since 1970. */
  readonly at: number;
}

function request<T>(from: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    from.onsuccess = () => resolve(from.result);
    from.onerror = () => reject(from.error ?? new Error('the browser does not say why'));
  });
}

async function store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: 'software' });
  const database = await request(opening);
  // A page of another version that wants to change the database must not wait for this one.
  database.onversionchange = () => database.close();
  const transaction = database.transaction(STORE, mode);
  transaction.oncomplete = () => database.close();
  return transaction.objectStore(STORE);
}

function isKept(value: unknown): value is Kept {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof Reflect.get(value, 'software') === 'string' &&
    Reflect.get(value, 'bytes') instanceof Uint8Array &&
    typeof Reflect.get(value, 'at') === 'number'
  );
}

async function find(software: string): Promise<Uint8Array | undefined> {
  const found: unknown = await request((await store('readonly')).get(software));
  return isKept(found) ? found.bytes : undefined;
}

async function keep(software: string, bytes: Uint8Array): Promise<void> {
  const into = await store('readwrite');
  const kept: Kept = { software, bytes, at: Date.now() };
  await request(into.put(kept));
  const all: unknown[] = await request(into.getAll());
  const old = all.filter(isKept).sort((a, b) => b.at - a.at);
  for (const { software } of old.slice(MOST_KEPT)) await request(into.delete(software));
}

export class ProfileKeeper {
  #machine: TabvisorMachine | undefined;
  /** The last that was to be watched: another may come while its profile is being found. */
  #latest: TabvisorMachine | undefined;
  #unsubscribe: Unsubscribe[] = [];
  /** Seconds until the profile is kept next. */
  #left = FIRST_SECONDS;
  #keeping = false;

  constructor() {
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') void this.#keep();
    });
  }

  /** Gives a machine that was just built what is known of its software, and keeps what it learns from now on. */
  async watch(machine: TabvisorMachine | undefined): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
    this.#machine = undefined;
    this.#latest = machine;
    if (!machine) return;
    try {
      const bytes = await find(machine.software);
      if (bytes) await machine.useProfile(bytes);
    } catch (error) {
      console.warn('What was hot in the last run is not known:', error);
    }
    if (this.#latest !== machine) return;
    this.#machine = machine;
    this.#left = FIRST_SECONDS;
    this.#unsubscribe = [
      machine.onStats(() => {
        this.#left -= 1;
        if (this.#left <= 0) void this.#keep();
      }),
      machine.onState(({ kind }) => {
        if (kind === 'paused' || kind === 'off') void this.#keep();
      }),
    ];
  }

  async #keep(): Promise<void> {
    const machine = this.#machine;
    if (!machine || this.#keeping || machine.state.kind === 'failed') return;
    this.#left = EVERY_SECONDS;
    this.#keeping = true;
    try {
      const bytes = await machine.profile();
      if (bytes) await keep(machine.software, bytes);
    } catch (error) {
      console.warn('What was hot in this run cannot be kept:', error);
    } finally {
      this.#keeping = false;
    }
  }
}
