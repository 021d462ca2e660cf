// What a connection holds for a client that does not read, and how one that does not answer ends.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { WebSocketServer } from 'ws';
import type { Channel } from '../../src/delivery/channel.ts';
import { frameOf } from '../../src/delivery/frames.ts';
import { createSession } from '../../src/delivery/session.ts';
import { createSocketChannel } from '../../src/delivery/socket_channel.ts';
import { createStreamChannel } from '../../src/delivery/stream_channel.ts';
import { type FeedEvent, toEvent } from '../../src/events.ts';
import { EVERYTHING } from '../../src/feed/filter.ts';
import { LOG_ID, logRow } from '../helpers/rows.ts';
import { openSocket, type TestSocket } from '../helpers/socket.ts';
import { emptyFeed } from '../helpers/socket_app.ts';
import { until } from '../helpers/until.ts';

const logger = pino({ level: 'silent' });

interface Connection {
  client: TestSocket;
  channel: Channel;
  /** The service's side. */
  socket: Socket;
}

async function serve(t: ExecutionContext) {
  const server = createServer();
  const sockets = new WebSocketServer({ server, autoPong: false });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const each of sockets.clients) each.terminate();
    server.closeAllConnections();
    server.close();
  });
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    server,
    address,
    async connect(): Promise<Connection> {
      const client = openSocket(address, '/');
      const [webSocket, request] = await once(sockets, 'connection');
      if (client.raw.readyState !== client.raw.OPEN) await once(client.raw, 'open');
      return { client, channel: createSocketChannel(webSocket, request.socket), socket: request.socket };
    },
  };
}

const createEvent = (position: number, text = 'x'.repeat(500)): FeedEvent =>
  toEvent(logRow(position, { data: JSON.stringify({ text }) }));

// Until the kernel takes no more, and something waits.
async function stall({ client, channel, socket }: Connection): Promise<void> {
  client.pause();
  const large = createEvent(1, 'x'.repeat(60_000));
  while (socket.writableLength === 0) {
    channel.event(large);
    await new Promise(resolve => setImmediate(resolve));
  }
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function held(): number {
  collectGarbage();
  return process.memoryUsage().arrayBuffers;
}

test.serial(
  'a client that wants one event in many and does not read pins what waits for it, and no more',
  async t => {
    const { connect } = await serve(t);
    const connections: Connection[] = [];
    while (connections.length < 10) connections.push(await connect());
    for (const connection of connections) await stall(connection);
    await new Promise(resolve => setImmediate(resolve));
    const before = held();
    const rooms = connections.map(() => true);
    let position = 2;
    for (let round = 0; round < 60; round++) {
      for (const [index, { channel }] of connections.entries()) {
        for (let other = 0; other < 130; other++) frameOf(createEvent(position++)); // a buffer full for others
        rooms[index] &&= channel.event(createEvent(position++));
      }
      await new Promise(resolve => setImmediate(resolve));
    }
    const waiting = connections.reduce((sum, { socket }) => sum + socket.writableLength, 0);
    t.true(waiting > 10 * 20_000, 'something waits for each');
    const grown = held() - before;
    t.true(grown < waiting * 2 + 1024 * 1024, `${waiting} bytes wait, ${grown} are held`);
  },
);

test.serial(
  'a client that reads slowly gets neither a probe nor a position, which would wait behind all the rest',
  async t => {
    const { connect } = await serve(t);
    const connection = await connect();
    const { channel, socket, client } = connection;
    const { hub, log } = emptyFeed(logger);
    const head = { log: LOG_ID, head: 0, first: 1 };
    const session = createSession({
      channel,
      hub,
      log,
      head,
      after: 0,
      filter: EVERYTHING,
      snapshot: [],
      logger,
    });
    await client.next();
    await stall(connection);
    const before = socket.writableLength;
    for (let count = 0; count < 20; count++) session.tick();
    await new Promise(resolve => setImmediate(resolve));
    t.is(socket.writableLength, before);
    t.true(channel.open);
    client.resume();
    await until(() => channel.drained);
    session.tick();
    for (let frame = await client.next(); frame.type !== 'position'; ) frame = await client.next();
    t.pass();
  },
);

test.serial(
  'while its snapshot is read a client is told a position that promises nothing, and afterwards its own',
  async t => {
    const { connect } = await serve(t);
    const { channel, client } = await connect();
    const page = Promise.withResolvers<readonly []>();
    const { hub, log } = emptyFeed(logger);
    const session = createSession({
      ...{ channel, hub, filter: EVERYTHING, snapshot: ['tasks'], logger },
      log: { ...log, snapshot: () => page.promise },
      head: { log: LOG_ID, head: 40, first: 1 },
      after: 40,
    });
    t.like(await client.next(), { type: 'ready', head: 40 });
    session.tick();
    t.deepEqual(await client.next(), { type: 'position', position: 0, log: LOG_ID });
    page.resolve([]);
    t.like(await client.next(), { type: 'snapshot', last: true, position: 40 });
    await new Promise(resolve => setImmediate(resolve)); // what follows the last page has begun
    session.tick();
    t.deepEqual(await client.next(), { type: 'position', position: 40, log: LOG_ID });
    session.close(1001, 'over');
  },
);

test.serial('a client that answers no probe is cut off, one that answers is not', async t => {
  const { connect } = await serve(t);
  const [dead, alive] = [await connect(), await connect()];
  // A client that is there no more: it acknowledges what comes, and nobody reads it.
  dead.client.pause();
  for (let probe = 0; probe < 20; probe++) {
    const pong = alive.client.raw.readyState === 1 ? once(alive.client.raw, 'ping') : undefined;
    for (const { channel } of [dead, alive]) channel.probe();
    await pong;
    await untilPongArrives(alive);
  }
  t.false(dead.channel.open);
  t.true(alive.channel.open);
  dead.client.resume();
  t.is((await dead.client.closed).code, 1006);
});

// The answer to the probe goes ahead of what is sent after it.
async function untilPongArrives({ client, socket }: Connection): Promise<void> {
  const arrived = once(socket, 'data');
  client.raw.send('x');
  await arrived;
  await new Promise(resolve => setImmediate(resolve));
}

test.serial('a client whose snapshot cannot be read for too long is sent away to come back', async t => {
  const { connect } = await serve(t);
  const { client, channel } = await connect();
  const feed = emptyFeed(logger);
  const log = { ...feed.log, snapshot: () => Promise.reject(new Error('canceled by the statement timeout')) };
  const head = { log: LOG_ID, head: 0, first: 1 };
  const common = { channel, hub: feed.hub, log, head, after: 0, filter: EVERYTHING, logger };
  createSession({ ...common, snapshot: ['tasks'], patience: 0 });
  t.deepEqual(await client.closed, { code: 1013, reason: 'the present state cannot be read; try again' });
  t.is(feed.hub.subscriptions.size, 0);
});

test.serial('nothing is written to a stream that has ended', async t => {
  const { server, address } = await serve(t);
  const asked = once(server, 'request');
  const answer = fetch(address);
  const [, response] = await asked;
  const channel = createStreamChannel(response, { log: LOG_ID, began: 0 });
  const errors: unknown[] = [];
  response.on('error', (error: unknown) => errors.push(error));
  t.true(channel.event(createEvent(1)));
  channel.end(1001, 'the instance is going away');
  t.false(channel.open);
  t.false(channel.event(createEvent(2)));
  t.false(channel.control({ type: 'position', position: 2, log: LOG_ID }));
  const text = await (await answer).text();
  t.is(text.match(/^id: /gm)?.length, 1);
  t.deepEqual(errors, []);
});

test.serial(
  'a stream that its client does not read is cut off, one that has nothing to tell is not',
  async t => {
    const { server, address } = await serve(t);
    const streams: { response: ServerResponse; channel: Channel }[] = [];
    server.on('request', (_, response: ServerResponse) =>
      streams.push({ response, channel: createStreamChannel(response, { log: LOG_ID, began: 0 }, 100) }),
    );
    const open = async () => {
      const answer = fetch(address);
      const { response, channel } = await until(() => streams.shift());
      channel.control({ type: 'ready', head: 0, log: LOG_ID });
      return { response, channel, client: await answer };
    };
    const [idle, unread] = [await open(), await open()];
    const large = createEvent(1, 'x'.repeat(60_000));
    // An idle stream that was full once, and was read since then, has all the time.
    while (idle.channel.event(large));
    const text = idle.client.text();
    await once(idle.response, 'drain');
    const closed = once(unread.response, 'close');
    const fill = () => {
      while (unread.channel.event(large));
    };
    unread.channel.onDrain(fill); // the kernel takes some
    fill();
    await closed;
    t.false(unread.channel.open);
    t.true(idle.channel.open);
    idle.channel.end(1001, 'the instance is going away');
    t.true((await text).length > 60_000);
    await unread.client.text().catch(() => {});
  },
);
