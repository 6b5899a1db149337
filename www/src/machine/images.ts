/** Getting the bytes of kernels, initrds and disks, in the worker. */

import type { WireImage } from '../protocol';

/** No image may be larger: it has to fit in wasm memory beside the guest. */
const LARGEST_IMAGE = 1 << 30;

export type Progress = (name: string, loaded: number, total: number) => void;

/** The image's bytes. Fails with words that name the image. */
export async function loadImage(image: WireImage, progress: Progress): Promise<Uint8Array> {
  if ('bytes' in image) return image.bytes;
  if ('blob' in image) {
    checkSize(image.name, image.blob.size);
    try {
      return new Uint8Array(await image.blob.arrayBuffer());
    } catch (error) {
      throw new Error(`${image.name} cannot be read (${String(error)}); choose the file again.`, {
        cause: error,
      });
    }
  }
  return fetchImage(image.name, image.url, progress);
}

/** The image as something that can be read in parts: what is already a file stays one. */
export async function loadBlob(image: WireImage, progress: Progress): Promise<Blob> {
  if ('blob' in image) return image.blob;
  const bytes = await loadImage(image, progress);
  return new Blob([bytes as Uint8Array<ArrayBuffer>]);
}

async function fetchImage(name: string, url: string, progress: Progress): Promise<Uint8Array> {
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
  const chunks: Uint8Array[] = [];
  let loaded = 0;
  let told = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    loaded += value.length;
    checkSize(name, loaded);
    if (performance.now() - told > 100) {
      told = performance.now();
      progress(name, loaded, total);
    }
  }
  const whole = new Uint8Array(loaded);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  progress(name, loaded, loaded);
  return whole;
}

function checkSize(name: string, size: number): void {
  if (size > LARGEST_IMAGE) {
    throw new Error(
      `The ${name} is ${size} bytes long; at most ${LARGEST_IMAGE} fit in this page\u2019s memory.`,
    );
  }
}
