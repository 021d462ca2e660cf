// How an address becomes a connection, and what the log hears of one that does not come.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import test from 'ava';
import { pino } from 'pino';
import { createConnector, optionsFor } from '../../src/nats/connection.ts';
import { createTestNats, natsTest } from '../helpers/nats.ts';
import { until } from '../helpers/until.ts';

for (const [url, expected] of Object.entries({
  'nats://127.0.0.1': { servers: '127.0.0.1:4222' },
  'nats://[::1]:4333': { servers: '[::1]:4333' },
  'nats://me:p%40ss@nats:4222': { servers: 'nats:4222', user: 'me', pass: 'p@ss' },
  'nats://t0ken@nats': { servers: 'nats:4222', token: 't0ken' },
  'tls://nats:4443': { servers: 'nats:4443', tls: {} },
})) {
  test(`${url} is connected to as it says`, t => {
    t.like(optionsFor(url, 'taskwire'), { ...expected, name: 'taskwire', reconnect: false });
  });
}

/** A connector whose log can be read; it holds each connection until it is lost. */
function createHolder(url: string) {
  const lines: string[] = [];
  const connector = createConnector({
    url,
    service: 'taskwire',
    serve: (_, lost) => new Promise(resolve => lost.addEventListener('abort', () => resolve())),
    logger: pino({ level: 'trace', base: null }, { write: line => lines.push(line) }),
  });
  return { connector, lines, said: () => lines.map(line => JSON.parse(line).msg) };
}

test('a NATS that does not come is tried for again and again, and said once, without its password', async t => {
  let tries = 0;
  const server = createServer(socket => {
    tries++;
    socket.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { connector, lines, said } = createHolder(`nats://me:secret@127.0.0.1:${port}`);
  await connector.start();
  await until(() => tries >= 3);
  await connector.stop();
  t.deepEqual(said(), ['NATS is away']);
  t.notRegex(lines.join(), /secret/);
  server.close();
});

natsTest('each loss of NATS is said once, and so is its return', async t => {
  const nats = await createTestNats();
  t.teardown(nats.drop);
  const { connector, said } = createHolder(nats.url);
  await connector.start();
  for (let round = 0; round < 2; round++) {
    await until(() => connector.connection !== undefined);
    await nats.end('SIGKILL');
    await until(() => connector.connection === undefined);
    await nats.start();
  }
  await until(() => connector.connection !== undefined);
  await connector.stop();
  t.deepEqual(said(), ['NATS is there', 'NATS is away', 'NATS is there', 'NATS is away', 'NATS is there']);
});
