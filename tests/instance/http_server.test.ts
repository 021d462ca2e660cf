// The HTTP server of an instance: what is no request is answered as any other fault, and nothing is cut off at its end.
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { createHttpApp } from '../../src/http/app.ts';
import { createHttpServer } from '../../src/instance/http_server.ts';
import { createAvailability } from '../../src/postgres/availability.ts';
import { createOrigins } from '../../src/web/origins.ts';
import { type LogLine, startTestApi, type TestApi } from '../helpers/http.ts';
import { until } from '../helpers/until.ts';

const refuseUpgrades = async () => {};
let api: TestApi; // for its operations
test.before(async () => {
  api = await startTestApi();
});
test.after.always(() => api.close());

async function start(
  t: ExecutionContext,
  requests?: RequestListener,
  limits: { mostConnections?: number } = {},
) {
  const lines: LogLine[] = [];
  const logger = pino({ base: null }, { write: line => void lines.push(JSON.parse(line)) });
  const origins = createOrigins({ checksHost: false, allowed: [] });
  const availability = createAvailability(logger);
  let turnedAway = 0;
  const server = createHttpServer({
    ...limits,
    refused: () => turnedAway++,
    config: { host: '127.0.0.1', port: 0 },
    requestTimeout: 200,
    checkEvery: 20,
    unreadFor: 100,
    logger,
    origins,
    availability,
  });
  const stop = async () => {
    await server.listening.stop();
    await server.answers.stop();
  };
  t.teardown(stop);
  const { operations } = api;
  const readiness = { database: async () => ({ reasons: [], warnings: [] }), parts: () => [] };
  const app = createHttpApp({ logger, origins, availability, operations, readiness });
  server.serve(requests ?? app.callback(), refuseUpgrades);
  await server.listening.start();
  const port = Number(new URL(server.address).port);
  return {
    server,
    stop,
    lines,
    port,
    turnedAway: () => turnedAway,
    send: (text: string | Buffer) => exchange(port, text),
  };
}

// Writes bytes as they are; all that came back until the server closed, which it must without our help.
async function exchange(port: number, text: string | Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(text);
  let answer = '';
  socket.on('data', data => {
    answer += data;
  });
  await once(socket, 'close');
  return answer;
}

const TASK = '{"title":"sent"}';
const post = (...lines: string[]) => `POST /tasks HTTP/1.1\r\nHost: x\r\n${lines.join('\r\n')}\r\n\r\n`;
const get = (target: string, ...lines: string[]) =>
  `GET ${target} HTTP/1.1\r\n${['Connection: close', ...lines].join('\r\n')}\r\n\r\n`;

const NO_REQUESTS: [what: string, text: string | Buffer, status: number, detail: RegExp][] = [
  ['a target that is not ASCII', get('/tasks?q=молоком', 'Host: x'), 400, /not ASCII: percent-encode/],
  [
    'a method that HTTP does not know',
    'FROB /tasks HTTP/1.1\r\nHost: x\r\n\r\n',
    501,
    /none that HTTP knows/,
  ],
  ['CONNECT', 'CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n', 501, /is for proxies/],
  ['TLS', Buffer.from('160301020001000001fc0303', 'hex'), 400, /without TLS/],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, /HTTP/],
  ['headers of 20 KB', get('/tasks', 'Host: x', `X: ${'x'.repeat(20_000)}`), 431, /more than 16 KiB/],
  ['a head that does not end', 'GET /tasks HTTP/1.1\r\nHost: x\r\n', 408, /did not arrive in time/],
  [
    'a chunk that is none',
    post('Transfer-Encoding: chunked', 'Content-Type: application/json', '', 'zz'),
    400,
    /no HTTP/,
  ],
  ['two lengths', post('Transfer-Encoding: chunked', 'Content-Length: 3'), 400, /no HTTP/],
  ['no Host', get('/tasks'), 400, /Host header is missing/],
  ['two Hosts', get('/tasks', 'Host: x', 'host: y'), 400, /only once/],
  ['the same Host twice', get('/tasks', 'Host: x', 'Host: x'), 400, /only once/],
  ['a Host that is none', get('/tasks', 'Host: x/y'), 400, /must be a host name/],
  ['a Host with a user', get('/tasks', 'Host: a@x'), 400, /must be a host name/],
];
for (const [what, text, status, detail] of NO_REQUESTS) {
  test(`${what} is answered with a problem and one line in the log`, async t => {
    const { send, lines } = await start(t);
    const [head = '', body = ''] = (await send(text)).split('\r\n\r\n');
    t.regex(head, new RegExp(`^HTTP/1\\.1 ${status} `));
    t.regex(head, /content-type: application\/problem\+json/i);
    t.regex(head, /connection: close/i);
    const problem = JSON.parse(body);
    t.is(problem.status, status);
    t.regex(problem.detail, detail);
    await until(() => lines.length > 0);
    t.like(lines, [{ level: 30, msg: 'request', request_id: problem.request_id }]);
    t.is(lines[0]?.err, undefined);
  });
}

test('a request of HTTP/1.0 needs no Host, one of HTTP/1.1 may have any that can be read', async t => {
  const { send } = await start(t);
  t.regex(await send('GET /tasks HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200/);
  for (const host of ['x', 'x:1', '127.0.0.1:8000', '[::1]:8000', ''])
    t.regex(await send(get('/tasks', `Host: ${host}`)), /^HTTP\/1\.1 200/, host);
});

test('a body that comes too slowly is 408, and no fault of the service', async t => {
  const { send, lines } = await start(t);
  const [head = '', body = ''] = (
    await send(`${post('Content-Type: application/json', 'Content-Length: 100', 'X-Request-Id: slow')}{"ti`)
  ).split('\r\n\r\n');
  t.regex(head, /^HTTP\/1\.1 408 .*X-Request-Id: slow/s);
  t.like(JSON.parse(body), { type: '/problems/request-timeout', request_id: 'slow' });
  await until(() => lines.some(({ method }) => method === 'POST'));
  t.deepEqual(
    lines.filter(({ level, err }) => Number(level) > 30 || err !== undefined),
    [],
  );
});

test('a client that asks whether to send its body is told to only if it may', async t => {
  const { send } = await start(t);
  const asking = (...lines: string[]) => post('Expect: 100-continue', ...lines);
  for (const [status, text] of [
    [415, asking('Content-Type: text/plain', 'Content-Length: 3')],
    [415, asking('Content-Type: application/json', 'Content-Encoding: zstd', 'Content-Length: 3')],
    [413, asking('Content-Type: application/json', 'Content-Length: 3000000')],
    [404, asking('Content-Length: 3').replace('/tasks', '/nowhere')],
    [403, asking('Content-Type: application/json', 'Content-Length: 3', 'Origin: http://elsewhere')],
  ] as const)
    t.regex(await send(text), new RegExp(`^HTTP/1\\.1 ${status} .*Connection: close`, 'is'));
  const taken = asking('Content-Type: application/json', `Content-Length: ${TASK.length}`);
  t.regex(await send(`${taken}${TASK}`), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 Created/);
  t.regex(await send(get('/tasks', 'Host: x', 'Expect: something')), /^HTTP\/1\.1 200/);
});

test('once it drains, each kept connection ends with its next answer', async t => {
  const { server, port } = await start(t);
  const socket = connect(port, '127.0.0.1');
  const ask = async () => {
    socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    return String(await once(socket, 'data'));
  };
  t.regex(await ask(), /Connection: keep-alive/);
  server.drain();
  t.regex(await ask(), /Connection: close/);
  await once(socket, 'close');
  t.regex(await exchange(port, get('/health/live', 'Host: x')), /^HTTP\/1\.1 200/); // it serves all the same
});

test('what was asked before it stops is answered to its end, and a connection that is idle is let go', async t => {
  const size = 8 * 1024 * 1024; // more than what the sockets hold
  const asked = Promise.withResolvers<void>();
  const { stop, port } = await start(t, (request, response) => {
    if (request.url !== '/large') return void response.end('small');
    response.setHeader('Content-Length', size);
    response.end(Buffer.alloc(size));
    asked.resolve();
  });
  const idle = connect(port, '127.0.0.1');
  idle.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(idle, 'data');
  const slow = connect(port, '127.0.0.1');
  slow.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n');
  await asked.promise;
  const stopped = stop();
  idle.resume();
  await once(idle, 'close');
  let received = 0;
  slow.on('data', data => {
    received += data.length;
  });
  await Promise.all([once(slow, 'close'), stopped]);
  t.true(received > size, String(received));
});

test('more connections than the process may have are turned away, which the log tells once, until others have gone', async t => {
  const { port, lines, turnedAway } = await start(t, undefined, { mostConnections: 2 });
  const connections = [];
  for (let count = 0; count < 2; count++) {
    const socket = connect(port, '127.0.0.1');
    socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
    t.regex(String(await once(socket, 'data')), /^HTTP\/1\.1 200/);
    connections.push(socket);
  }
  for (let more = 0; more < 3; more++) t.is(await exchange(port, get('/health/live', 'Host: x')), '');
  t.is(turnedAway(), 3);
  t.is(lines.filter(({ level }) => level === 40).length, 1);
  connections[0]?.destroy();
  await until(async () => (await exchange(port, get('/health/live', 'Host: x'))).startsWith('HTTP/1.1 200'));
  t.true(lines.some(({ msg }) => msg === 'there is room for connections again'));
  connections[1]?.destroy();
});

test('requests that are sent without waiting for answers are done one after the other, in their order', async t => {
  const begun: string[] = [];
  const waiting: (() => void)[] = [];
  const { port } = await start(t, (request, response) => {
    begun.push(request.url ?? '');
    waiting.push(() => response.end(`answer to ${request.url}`));
  });
  const socket = connect(port, '127.0.0.1');
  const ask = (name: string) => `GET /${name} HTTP/1.1\r\nHost: x\r\n\r\n`;
  socket.write(`${ask('first')}${ask('second')}${ask('third')}`);
  for (const name of ['first', 'second', 'third']) {
    const answer = await until(() => waiting.shift());
    t.is(begun.at(-1), `/${name}`, 'none is begun before the one before it is answered');
    answer();
    t.regex(String(await once(socket, 'data')), new RegExp(`answer to /${name}`));
  }
  t.deepEqual(begun, ['/first', '/second', '/third']);
  socket.destroy();
});

test('an answer that its client does not read is cut off, and one that is read slowly is not', async t => {
  const answer = 'x'.repeat(32 * 1024 * 1024);
  const ended: boolean[] = [];
  const { port } = await start(t, (_, response) => {
    response.once('close', () => ended.push(response.writableFinished));
    response.end(answer);
  });
  const unread = connect(port, '127.0.0.1', () => unread.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
  unread.on('error', () => {});
  await until(() => ended[0] === false);
  unread.destroy();
  const slow = await fetch(`http://127.0.0.1:${port}/`);
  let bytes = 0;
  for await (const chunk of slow.body ?? []) bytes += chunk.length;
  t.is(bytes, answer.length);
});

// Alone: it keeps the process that it shares with the others busy for longer than they have their clients wait.
test.serial(
  'a client that sends thousands of requests without reading an answer is cut off, and others are served',
  async t => {
    const held = Promise.withResolvers<void>();
    const { server, port } = await start(t, (request, response) => {
      if (request.url === '/other') return void response.end('served');
      void held.promise.then(() => response.end());
    });
    t.teardown(() => held.resolve());
    const greedy = connect(port, '127.0.0.1').on('error', () => {});
    const closed = new Promise(resolve => greedy.on('close', resolve));
    const request = 'GET /tasks HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
    const flood = () => {
      if (!greedy.destroyed && greedy.write(request.repeat(2_000))) setImmediate(flood);
      else if (!greedy.destroyed) greedy.once('drain', flood);
    };
    flood();
    await closed;
    t.is(await (await fetch(`${server.address}/other`)).text(), 'served');
  },
);
