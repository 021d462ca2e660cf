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
    await until(async () => (await codeOf(address)) === 1013); // some of it comes back with each second
    const metrics = await (await fetch(`${address}/metrics`)).text();
    t.regex(metrics, /^taskwire_limited_total\{limit="rate"\} [1-9]\d*$/m);
    t.regex(metrics, /^taskwire_limited_total\{limit="sockets"\} [1-9]\d*$/m);
  },
);

// What a socket is closed with, if it is not let in.
async function codeOf(address: string): Promise<number | undefined> {
  const socket = openSocket(address, '/ws/tasks');
  const isIn = await socket.next().then(
    () => true,
    () => false,
  );
  socket.drop();
  return isIn ? undefined : (await socket.closed).code;
}
