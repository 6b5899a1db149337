/** The page's end of the line to a machine's worker: requests out, replies matched to them, events handed on. */

import { parseWorkerMessage, type Answers, type RequestBody, type WorkerMessage } from '../protocol';

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

export class Link {
  /** Called for every message that is not a reply. */
  onMessage: (message: WorkerMessage) => void = () => {};
  /** Called once when the worker can no longer be talked to, with the reason in words. */
  onDeath: (message: string) => void = () => {};

  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #dead: string | undefined;

  constructor(worker: Worker, onProgress?: (name: string, loaded: number, total: number) => void) {
    this.#worker = worker;
    worker.onmessage = ({ data }: MessageEvent<unknown>) => {
      const message = parseWorkerMessage(data);
      if (message.kind === 'reply') this.#take(message.id)?.resolve(message.answer);
      else if (message.kind === 'refusal') this.#take(message.id)?.reject(new Error(message.message));
      else if (message.kind === 'progress') onProgress?.(message.name, message.loaded, message.total);
      else this.onMessage(message);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#die(`The machine\u2019s worker stopped: ${event.message || 'its script could not be loaded'}.`);
    };
    worker.onmessageerror = () => this.#die('The machine\u2019s worker sent something that cannot be read.');
  }

  /** Sends a request and waits for its answer. */
  ask<B extends RequestBody>(body: B): Promise<Answers[B['kind']]> {
    return new Promise((resolve, reject) => {
      if (this.#dead !== undefined) {
        reject(new Error(this.#dead));
        return;
      }
      const id = this.#next++;
      // The protocol ties the answer's type to the request's kind; the worker's switch over the kinds keeps it.
      this.#waiting.set(id, { resolve: resolve as (answer: unknown) => void, reject });
      this.#worker.postMessage({ ...body, id });
    });
  }

  /** Sends a request whose answer nobody waits for. A refusal is logged: it would be a mistake of the caller's. */
  tell(body: RequestBody): void {
    if (this.#dead !== undefined) return;
    this.ask(body).catch((error: unknown) => {
      if (this.#dead === undefined) console.warn(error);
    });
  }

  close(): void {
    this.#worker.terminate();
    this.#die('The machine has been disposed of.', false);
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #die(reason: string, announce = true): void {
    if (this.#dead !== undefined) return;
    this.#dead = reason;
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.#waiting.clear();
    if (announce) this.onDeath(reason);
  }
}
