// npm start: sets up, builds and serves the page on 127.0.0.1, port 8080 or PORT.

import { buildPage, buildWasm } from './build.mjs';
import { serve } from './lib/serve.mjs';
import { Failure, main } from './lib/steps.mjs';
import { setup } from './setup.mjs';

await main(async () => {
  const port = Number(process.env.PORT ?? 8080);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new Failure(`PORT=${process.env.PORT} is not a port: use a number from 0 to 65535.`);
  }
  // Before minutes of building: is the port free?
  (await listen(port)).close();
  await setup();
  await buildWasm();
  await buildPage();
  const server = await listen(port);
  console.log(`\nTabvisor is at http://127.0.0.1:${server.address().port}/ (Ctrl-C ends it)`);
});

async function listen(port) {
  try {
    return await serve(port);
  } catch (error) {
    if (error.code === 'EADDRINUSE') {
      throw new Failure(
        `Port ${port} is in use, perhaps by another npm start. PORT=8081 npm start takes another.`,
      );
    }
    throw new Failure(`Cannot listen on 127.0.0.1:${port}: ${error.message}`);
  }
}
