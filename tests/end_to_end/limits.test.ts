// What an instance lets one client have, as its operator has set it.
import anyTest, { type TestFn } from 'ava';
import { senderTo } from '../helpers/http.ts';
import { type Context, withInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';
import { until } from '../helpers/until.ts';

const test = anyTest as TestFn<Context>;
withInstance(test, { RATE_LIMIT: '120', SOCKET_LIMIT: '3' });

test.serial(
  'SOCKET_LIMIT holds for sockets, streams and long polls together: one more is told to come later, and may once one has gone',
  async t => {
    const { address } = t.context.instance;
    const sockets = ['/ws/tasks', '/ws/events'].map(path => openSocket(address, path));
    for (const socket of sockets) t.is((await socket.next()).type, 'ready');
    const ending = new AbortController();
    const stream = await fetch(`${address}/events/stream`, { signal: ending.signal });
    t.is(stream.status, 200);

    const extra = openSocket(address, '/ws/tasks');
    t.deepEqual(await extra.closed, {
      code: 1013,
      reason: 'one client may have 3 sockets and streams; try again later',
    });
    const send = senderTo(address);
    for (const path of ['/events/stream', '/events?wait=30']) {
      const { status, headers, body } = await send('GET', path);
      t.is(status, 429, path);
      t.is(body.type, '/problems/too-many-requests');
      t.true(Number(headers.get('retry-after')) > 0);
    }
    t.is((await send('GET', '/events')).status, 200, 'a page that waits for nothing takes no place');

    ending.abort();
    await until(async () => {
      const another = openSocket(address, '/ws/tasks');
      sockets.push(another);
      return another.next().then(
        ({ type }) => type === 'ready',
        () => false,
      );
    });
    for (const socket of sockets) socket.drop();
  },
);

test.serial(
  'RATE_LIMIT holds for requests, streams and sockets together, and /metrics tells how often',
  async t => {
    const { address } = t.context.instance;
    const send = senderTo(address);
    const stream = await fetch(`${address}/events/stream`, { headers: { Accept: 'text/event-stream' } });
    t.regex(stream.headers.get('ratelimit') ?? '', /^"default";r=\d+;t=\d+$/);
    await stream.body?.cancel();
    const socket = openSocket(address, '/ws/tasks');
    t.is((await socket.next()).type, 'ready', 'what a socket hears is not counted');
    socket.drop();
    while ((await send('GET', '/tasks?q=x')).status === 200);
    await until(async () => (await handshake(address)) === 429); // some of it comes back with each second
    const metrics = await (await fetch(`${address}/metrics`)).text();
    t.regex(metrics, /^taskwire_limited_total\{limit="rate"\} [1-9]\d*$/m);
    t.regex(metrics, /^taskwire_limited_total\{limit="sockets"\} [1-9]\d*$/m);
  },
);

// The status that a socket is answered with.
async function handshake(address: string): Promise<number | undefined> {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const { raw } = openSocket(address, '/ws/tasks');
  raw.on('open', () => resolve(101));
  raw.on('unexpected-response', (_request, { statusCode }) => resolve(statusCode));
  const status = await promise;
  raw.terminate();
  return status;
}
