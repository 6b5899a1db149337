import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { serve } from '../../tools/lib/serve.mjs';

let server;

before(async () => {
  server = await serve(0);
});

after(() => server.close());

/** Asks for a path just as it stands, which `fetch` would tidy first. */
function ask(path, method = 'GET') {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: server.address().port, path, method }, (response) => {
      response.resume();
      response.on('end', () => resolve(response));
    });
    asked.on('error', reject);
    asked.end();
  });
}

test('nothing outside the page and the guests is served', async () => {
  for (const path of [
    '/../../package.json',
    '/guests/../../package.json',
    '/%2e%2e/%2e%2e/package.json',
    '/%',
    '/%00',
  ]) {
    assert.equal((await ask(path)).statusCode, 404, path);
  }
});

test('only reading is answered', async () => {
  assert.equal((await ask('/', 'POST')).statusCode, 405);
});

test('a second server on the port is refused', async () => {
  await assert.rejects(serve(server.address().port), { code: 'EADDRINUSE' });
});
