// Serves the built page, and beside it the guests that were fetched.

import { createReadStream, statSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { build, root } from './steps.mjs';

const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/** Listens on 127.0.0.1; port 0 is any free one. Resolves to the server, or rejects with the system's error. */
export function serve(port) {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return end(response, 405);
    const file = locate(request.url ?? '/');
    const stats = file && statSync(file, { throwIfNoEntry: false });
    if (!stats?.isFile()) return end(response, 404);
    response.writeHead(200, {
      'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream',
      'content-length': stats.size,
      'cache-control': 'no-cache',
    });
    if (request.method === 'HEAD') return response.end();
    createReadStream(file)
      .on('error', () => response.destroy())
      .pipe(response);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

function end(response, status) {
  response.writeHead(status, { 'content-type': 'text/plain' }).end(`${status}\n`);
}

/** The file an address stands for; undefined when it leads outside what is served. */
function locate(address) {
  let name;
  try {
    name = decodeURIComponent(new URL(address, 'http://localhost').pathname);
  } catch {
    return undefined;
  }
  if (name.includes('\0')) return undefined;
  if (name.endsWith('/')) name += 'index.html';
  const guest = name.startsWith('/guests/');
  const folder = guest ? guestsFolder() : path.join(root, 'www/dist');
  const file = path.join(folder, guest ? name.slice('/guests/'.length) : name);
  return file.startsWith(folder + path.sep) ? file : undefined;
}

function guestsFolder() {
  return process.env.TABVISOR_GUESTS ? path.resolve(process.env.TABVISOR_GUESTS) : path.join(build, 'guests');
}
