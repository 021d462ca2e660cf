// What an instance lets one client have, as its operator has set it.
import anyTest, { type TestFn } from 'ava';
import { senderTo } from '../helpers/http.ts';
import { type Context, withInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';

const test = anyTest as TestFn<Context>;
withInstance(test, { RATE_LIMIT: '60' });

test('RATE_LIMIT holds for requests, streams and sockets together, and /metrics tells how often', async t => {
  const { address } = t.context.instance;
  const send = senderTo(address);
  const stream = await fetch(`${address}/events/stream`, { headers: { Accept: 'text/event-stream' } });
  t.regex(stream.headers.get('ratelimit') ?? '', /^"default";r=\d+;t=\d+$/);
  await stream.body?.cancel();
  const socket = openSocket(address, '/ws/tasks');
  t.is((await socket.next()).type, 'ready', 'what a socket hears is not counted');
  socket.drop();
  while ((await send('GET', '/tasks')).status === 200);
  const refused = openSocket(address, '/ws/tasks');
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  refused.raw.on('unexpected-response', (_request, { statusCode }) => resolve(statusCode));
  t.is(await promise, 429);
  refused.raw.terminate();
  const metrics = await (await fetch(`${address}/metrics`)).text();
  t.regex(metrics, /^taskwire_limited_total\{limit="rate"\} 2$/m);
});
