// What nginx.conf promises beside spreading the load, with upstreams that behave as no instance should.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import anyTest, { type ExecutionContext } from 'ava';
import { NGINX, startProxy } from '../helpers/proxy.ts';

// The stand-in promises none of this. CI installs nginx.
const test = NGINX === undefined ? anyTest.skip : anyTest;

async function serve(t: ExecutionContext, answer: RequestListener) {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

async function proxyTo(t: ExecutionContext, first: string, second: string): Promise<string> {
  const proxy = await startProxy([first, second], text => t.log(text));
  t.teardown(proxy.stop);
  return proxy.address;
}

test('a stream arrives piece by piece, as it is written', async t => {
  const heard = Promise.withResolvers<void>();
  const upstream = await serve(t, async (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write('data: 1\n\n');
    await heard.promise; // were it kept back, nobody would ever read the first
    response.end('data: 2\n\n');
  });
  const address = await proxyTo(t, upstream.address, upstream.address);
  for (const path of ['/events/stream', '/tasks']) {
    const { body } = await fetch(`${address}${path}`);
    const pieces: string[] = [];
    for await (const piece of body ?? []) {
      pieces.push(new TextDecoder().decode(piece));
      heard.resolve();
    }
    t.is(pieces.join(''), 'data: 1\n\ndata: 2\n\n');
  }
});

test('under a name that nobody expects, as by DNS rebinding, nothing is served', async t => {
  const upstream = await serve(t, (_request, response) => response.end());
  const address = await proxyTo(t, upstream.address, upstream.address);
  const { port } = new URL(address);
  const statusFor = async (host: string) => {
    const sent = request(address, { headers: { host: `${host}:${port}` } });
    sent.end();
    const [answer] = await once(sent, 'response');
    answer.resume();
    return answer.statusCode;
  };
  t.is(await statusFor('evil.example'), 421);
  for (const host of ['localhost', '127.0.0.1', '[::1]']) t.is(await statusFor(host), 200, host);
});

test('the host, the request id and whom a request is for pass to the instance', async t => {
  const upstream = await serve(t, (request, response) => response.end(JSON.stringify(request.headers)));
  const address = await proxyTo(t, upstream.address, upstream.address);
  const answer = await fetch(`${address}/tasks`, { headers: { 'X-Request-Id': 'mine' } });
  t.like(await answer.json(), {
    host: new URL(address).host,
    'x-request-id': 'mine',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
  });
  const further = await fetch(`${address}/tasks`, { headers: { 'X-Forwarded-Proto': 'https' } }); // out
  t.like(await further.json(), { 'x-forwarded-proto': 'https' });
});

test('what an instance that is down never got goes to the other one, a POST too', async t => {
  const upstream = await serve(t, (_request, response) => response.end());
  const address = await proxyTo(t, 'http://127.0.0.1:1', upstream.address);
  for (let count = 0; count < 4; count++)
    t.is((await fetch(`${address}/tasks`, { method: 'POST', body: '{}' })).status, 200);
  t.is(upstream.requests.length, 4);
});

test('what may have reached an instance that then broke off is sent again, a POST under the same key', async t => {
  const keys: unknown[] = [];
  const note = ({ headers }: IncomingMessage) => keys.push(headers['idempotency-key']);
  const broken = await serve(t, request => {
    note(request);
    request.socket.destroy();
  });
  const sound = await serve(t, (request, response) => {
    note(request);
    response.end();
  });
  for (const [method, own] of [
    ['GET', undefined],
    ['PATCH', undefined],
    ['POST', undefined],
    ['POST', 'mine'],
  ] as const) {
    const address = await proxyTo(t, broken.address, sound.address);
    const headers = own === undefined ? {} : { 'Idempotency-Key': own };
    keys.length = 0;
    t.is((await fetch(`${address}/tasks`, { method, headers })).status, 200, method);
    t.is(keys.length, 2, method);
    t.is(keys[0], keys[1]);
    if (method === 'POST') t.regex(String(keys[0]), own === undefined ? /^[0-9a-f]{32}$/ : /^mine$/);
    else t.is(keys[0], undefined);
  }
});

test('an EventSource of which no instance can be reached gets a stream that ends, anything else 502', async t => {
  const address = await proxyTo(t, 'http://127.0.0.1:1', 'http://127.0.0.1:1');
  const stream = await fetch(`${address}/events/stream`, { headers: { Accept: 'text/event-stream' } });
  t.deepEqual([stream.status, stream.headers.get('content-type')], [200, 'text/event-stream']);
  t.regex(await stream.text(), /^: [^\n]+\n\n$/);
  t.is((await fetch(`${address}/events/stream`)).status, 502);
  t.is((await fetch(`${address}/tasks`)).status, 502);
});
