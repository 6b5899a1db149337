/** Getting the bytes of kernels, initrds and disks, in the worker. */

import type { WireImage } from '../protocol';

/** No image may be larger: it has to fit in wasm memory beside the guest. */
const LARGEST_IMAGE = 1 << 30;

export type Progress = (name: string, loaded: number, total: number) => void;

/** Takes an image in, piece by piece. The wasm surface's `ImageBytes` is one. */
export interface Sink {
  /** That many bytes are going to come. */
  reserve(bytes: number): void;
  /** The piece is used again afterwards. */
  append(piece: Uint8Array): void;
}

/** Bytes asked for at a time where pieces can be read into memory of ours. */
const PIECE = 1 << 18;

/** Puts the image's bytes into `sink`. Fails with words that name the image. */
export async function loadImage(image: WireImage, sink: Sink, progress: Progress): Promise<void> {
  if ('bytes' in image) sink.append(image.bytes);
  else if ('blob' in image) await readBlob(image.name, image.blob, sink);
  else await fetchImage(image.name, image.url, sink, progress);
}

/** The image as something that can be read in parts: what is already a file stays one. */
export async function loadBlob(image: WireImage, progress: Progress): Promise<Blob> {
  if ('blob' in image) return image.blob;
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const sink = { reserve: () => {}, append: (piece: Uint8Array) => pieces.push(piece.slice()) };
  await loadImage(image, sink, progress);
  return new Blob(pieces);
}

async function readBlob(name: string, blob: Blob, sink: Sink): Promise<void> {
  checkSize(name, blob.size);
  sink.reserve(blob.size);
  try {
    await drain(blob.stream(), (piece) => sink.append(piece));
  } catch (error) {
    throw new Error(`${name} cannot be read (${String(error)}); choose the file again.`, { cause: error });
  }
}

async function fetchImage(name: string, url: string, sink: Sink, progress: Progress): Promise<void> {
  const place = url.startsWith('data:') ? 'its data: address' : url;
  let response: Response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new Error(
      `The ${name} at ${place} cannot be fetched: is the server there, and does it allow this page?`,
      { cause: error },
    );
  }
  if (!response.ok || !response.body) {
    throw new Error(
      `The ${name} at ${place} cannot be fetched: the server answered ${response.status} ${response.statusText}.`,
    );
  }
  // A compressed transfer's Content-Length counts other bytes than the ones that arrive here.
  const encoded = response.headers.has('content-encoding');
  const total = encoded ? 0 : Number(response.headers.get('content-length') ?? 0) || 0;
  checkSize(name, total);
  sink.reserve(total);
  let loaded = 0;
  let told = 0;
  await drain(response.body, (piece) => {
    loaded += piece.length;
    checkSize(name, loaded);
    sink.append(piece);
    if (performance.now() - told > 100) {
      told = performance.now();
      progress(name, loaded, total);
    }
  });
  progress(name, loaded, loaded);
}

/**
 * Reads a stream to its end. Where the browser allows it, every piece is read into the same memory: the system need not
 * find fresh pages for tens of megabytes that are then copied once and thrown away.
 */
async function drain(stream: ReadableStream<Uint8Array>, take: (piece: Uint8Array) => void): Promise<void> {
  let reader: ReadableStreamBYOBReader;
  try {
    reader = stream.getReader({ mode: 'byob' });
  } catch {
    return drainPlain(stream, take);
  }
  for (let memory = new ArrayBuffer(PIECE); ;) {
    const { done, value } = await reader.read(new Uint8Array(memory));
    if (done) return;
    take(value);
    memory = value.buffer;
  }
}

async function drainPlain(
  stream: ReadableStream<Uint8Array>,
  take: (piece: Uint8Array) => void,
): Promise<void> {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    take(value);
  }
}

function checkSize(name: string, size: number): void {
  if (size > LARGEST_IMAGE) {
    throw new Error(
      `The ${name} is ${size} bytes long; at most ${LARGEST_IMAGE} fit in this page\u2019s memory.`,
    );
  }
}
