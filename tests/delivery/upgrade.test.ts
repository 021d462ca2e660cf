// Sockets that talk for hours live; handshakes that are none get an answer.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import test from 'ava';
import { pino } from 'pino';
import { createLogger } from '../../src/logger.ts';
import { openSocket } from '../helpers/socket.ts';
import { serveSockets } from '../helpers/socket_app.ts';

async function listen(
  server: Server,
  logger = createLogger({ level: 'fatal', pretty: false }),
): Promise<{ address: string; port: number }> {
  serveSockets(server, logger);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { address: `http://127.0.0.1:${port}`, port };
}

async function answerTo(port: number, request: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(request);
  let answer = '';
  socket.on('data', data => {
    answer += data;
  });
  await once(socket, 'close');
  return answer;
}

test('a socket that talks for longer than headersTimeout stays open', async t => {
  const server = createServer({ headersTimeout: 300, requestTimeout: 600, connectionsCheckingInterval: 50 });
  const { address, port } = await listen(server);
  const socket = openSocket(address, '/ws/tasks');
  await socket.next();
  socket.raw.send('hello');
  // That a request which never ends is timed out, twice, shows that the timeouts have passed for the socket as well.
  for (let round = 0; round < 2; round++)
    t.regex(await answerTo(port, 'GET / HTTP/1.1\r\n'), /^HTTP\/1\.1 408/);
  socket.raw.send('still here');
  const pong = once(socket.raw, 'pong');
  socket.raw.ping();
  await pong;
  t.is(socket.raw.readyState, socket.raw.OPEN);
  socket.drop();
  server.close();
});

const KEY = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
const handshake = (target: string, { method = 'GET', lines = KEY } = {}) =>
  `${method} ${target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${lines}\r\n`;

const refused: [what: string, request: string, status: number, path: string, detail: RegExp][] = [
  ['without a key', handshake('/ws/tasks', { lines: '' }), 400, '/ws/tasks', /Sec-WebSocket-Key/],
  [
    'of another version',
    handshake('/ws/tasks', { lines: KEY.replace('13', '7') }),
    400,
    '/ws/tasks',
    /Sec-WebSocket-Version/,
  ],
  ['that is no GET', handshake('/ws/tasks', { method: 'POST' }), 405, '/ws/tasks', /takes GET/],
  ['of nothing', handshake('/ws/nothing?token=secret'), 404, '/ws/nothing', /there is no WebSocket at/],
  ['whose target is no URL', handshake('http://[/'), 400, '/', /the request target is no URL/],
];
for (const [what, request, status, path, detail] of refused) {
  test(`a handshake ${what} is answered with a problem and a line in the log, and the instance goes on`, async t => {
    const lines: Record<string, unknown>[] = [];
    const server = createServer();
    const logger = pino({ base: null }, { write: line => void lines.push(JSON.parse(line)) });
    const { address, port } = await listen(server, logger);
    const named = request.replace('Host: x', 'Host: x\r\nX-Request-Id: mine');
    const [head = '', body = ''] = (await answerTo(port, named)).split('\r\n\r\n');
    t.regex(head, new RegExp(`^HTTP/1\\.1 ${status} .*Content-Type: application/problem\\+json`, 's'));
    t.regex(head, /X-Request-Id: mine/);
    const problem = JSON.parse(body);
    t.like(problem, { status, instance: path, request_id: 'mine' });
    t.regex(problem.detail, detail);
    t.is(lines.length, 1);
    t.like(lines[0], { msg: 'request', request_id: 'mine', path, status });
    const socket = openSocket(address, '/ws/tasks');
    t.is((await socket.next()).type, 'ready');
    socket.drop();
    server.close();
  });
}

test('of the subprotocols that a client offers taskwire.v1 is answered, and no other', async t => {
  const server = createServer();
  const { port } = await listen(server);
  for (const [offered, answered] of [
    ['taskwire.v1', 'taskwire.v1'],
    ['graphql-ws, taskwire.v1', 'taskwire.v1'],
    ['graphql-ws', undefined],
    ['taskwire.v2, bearer.secret', undefined],
  ] as const) {
    const socket = connect(port, '127.0.0.1');
    socket.write(handshake('/ws/tasks', { lines: `${KEY}Sec-WebSocket-Protocol: ${offered}\r\n` }));
    const [data] = await once(socket, 'data');
    socket.destroy();
    const [head = ''] = String(data).split('\r\n\r\n');
    t.regex(head, /^HTTP\/1\.1 101/, offered);
    t.is(/^Sec-WebSocket-Protocol: (.*?)\r?$/im.exec(head)?.[1], answered, offered);
  }
  server.close();
});

test('a frame sent together with the handshake is not lost on the way', async t => {
  const server = createServer();
  const { port } = await listen(server);
  const socket = connect(port, '127.0.0.1');
  const ping = Buffer.from([0x89, 0x82, 0, 0, 0, 0, 0x68, 0x69]); // "hi", masked with zeros
  socket.write(Buffer.concat([Buffer.from(handshake('/ws/tasks')), ping]));
  let received = Buffer.alloc(0);
  const pong = Buffer.from([0x8a, 0x02, 0x68, 0x69]);
  for await (const data of socket) {
    received = Buffer.concat([received, data]);
    if (received.includes(pong)) break;
  }
  t.true(received.includes(pong));
  server.close();
});

test('a broken frame sent together with the handshake ends its own socket, and the instance goes on', async t => {
  const server = createServer();
  const { address, port } = await listen(server);
  const broken = connect(port, '127.0.0.1');
  const unmasked = Buffer.from([0x89, 0x02, 0x68, 0x69]);
  broken.write(Buffer.concat([Buffer.from(handshake('/ws/tasks')), unmasked]));
  const chunks: Buffer[] = [];
  for await (const chunk of broken) chunks.push(chunk);
  const received = Buffer.concat(chunks);
  t.is(received.readUInt16BE(received.indexOf(Buffer.from([0x88, 0x02])) + 2), 1002);
  const socket = openSocket(address, '/ws/tasks');
  t.is((await socket.next()).type, 'ready');
  socket.drop();
  server.close();
});
