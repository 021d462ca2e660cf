// An instance that waits for its database: it listens, tells whoever asks, and says in its log and metrics that it did.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { json } from 'node:stream/consumers';
import test from 'ava';
import { pino } from 'pino';
import { createCable } from '../helpers/cable.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { createTestInstance } from '../helpers/instance.ts';
import { until } from '../helpers/until.ts';

const HANDSHAKE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
};

test('requests and sockets that come while the database is away are 503, a line each, and counted', async t => {
  const database = await createTestDatabase();
  const cable = await createCable(new URL(process.env.TEST_SERVER_URL ?? ''));
  cable.cut();
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ base: null }, { write: line => void lines.push(JSON.parse(line)) });
  const instance = createTestInstance(cable.through(database.url), {}, logger);
  const started = instance.start();
  t.teardown(async () => {
    await instance.stop();
    cable.cut();
    await database.drop();
  });
  await until(() => lines.some(({ msg }) => msg === 'waiting for the database'));
  for (const [path, headers] of [
    ['/tasks', {}],
    ['/ws/tasks?token=secret', HANDSHAKE],
  ] as const) {
    const { status, type, retryAfter, problem } = await ask(`${instance.address}${path}`, {
      ...headers,
      'X-Request-Id': path,
    });
    t.deepEqual([status, type, retryAfter], [503, 'application/problem+json', '1'], path);
    t.like(problem, { type: '/problems/unavailable', request_id: path });
    const said = lines.filter(({ request_id }) => request_id === path);
    t.is(said.length, 1);
    t.like(said[0], { msg: 'request', method: 'GET', path: path.split('?')[0], status: 503 });
  }
  cable.mend();
  await started;
  const metrics = await (await fetch(`${instance.address}/metrics`)).text();
  t.regex(metrics, /^taskwire_http_request_seconds_count\{method="GET",route="unmatched",status="503"\} 2$/m);
});

// fetch() would not let us ask for an upgrade.
async function ask(address: string, headers: Record<string, string>) {
  const [response] = (await once(request(address, { headers }).end(), 'response')) as [IncomingMessage];
  const { statusCode: status, headers: answered } = response;
  return {
    status,
    type: answered['content-type'],
    retryAfter: answered['retry-after'],
    problem: (await json(response)) as object,
  };
}
