// The connection: how it is kept, given up and made again. The service is a stand-in, since the real one cannot be made to
// misbehave; the clock is the client's own, so that its patience ends at once, or never.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Client, Options } from '../../src/client/client.ts';
import { loadClient } from '../helpers/client_scene.ts';
import { until } from '../helpers/until.ts';

const LOG = '0198c0de-5c1f-7a30-8f1e-3b5c6d7e8f90';
const NEVER = 1e-4; // how fast the clock runs
const SOON = 200;

interface Arrival {
  socket: WebSocket;
  url: string;
  protocols: string[];
  send(...frames: object[]): void;
}

async function standIn(t: ExecutionContext): Promise<{ url: string; arrivals: Arrival[] }> {
  const arrivals: Arrival[] = [];
  const server = new WebSocketServer({
    port: 0,
    host: '127.0.0.1',
    handleProtocols: offered => (offered.has('taskwire.v1') ? 'taskwire.v1' : false),
  });
  await once(server, 'listening');
  server.on('connection', (socket, { url = '', headers }) => {
    const protocols = (headers['sec-websocket-protocol'] ?? '')
      .split(',')
      .map(each => each.trim())
      .filter(Boolean);
    const send = (...frames: object[]) => {
      for (const frame of frames) socket.send(JSON.stringify(frame));
    };
    arrivals.push({ socket, url, protocols, send });
  });
  t.teardown(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, arrivals };
}

async function clientOf(t: ExecutionContext, speed: number, options: Options) {
  const world = await loadClient({ speed });
  const client: Client = world.connect(options);
  t.teardown(client.close);
  return { client, world };
}

const ready = (head: number) => ({ type: 'ready', head, log: LOG });
const eventAt = (position: number) => ({
  specversion: '1.0',
  type: 'task_created',
  source: '/tasks',
  subject: `${position}`,
  position,
  data: { task: { id: `${position}` } },
});

test('nobody looks: nothing is opened; the last who looked has gone: it is closed', async t => {
  const { url, arrivals } = await standIn(t);
  const { client } = await clientOf(t, 1, { url });
  client.collection('tasks');
  t.is(client.state, 'idle');
  const ending = new AbortController();
  const listening = client.events({ signal: ending.signal }).next();
  const [arrival] = await until(
    () => arrivals,
    ({ length }) => length === 1,
  );
  t.is(arrival?.url, '/ws/events?');
  t.deepEqual(arrival?.protocols, []);
  arrival?.send(ready(0));
  await until(() => client.state === 'live');
  ending.abort();
  t.true((await listening).done);
  t.is(client.state, 'idle');
  await until(() => arrival?.socket.readyState === 3);
});

test('a token that was refused is asked for once more, and then the client is denied', async t => {
  const { url, arrivals } = await standIn(t);
  const tokens: string[] = [];
  const errors: string[] = [];
  const { client } = await clientOf(t, NEVER, {
    url,
    token: async () => {
      tokens.push(`twk_${tokens.length}`);
      return tokens.at(-1) ?? '';
    },
    onError: ({ message }) => void errors.push(message),
  });
  const states: string[] = [];
  client.subscribe(() => states.push(client.state));
  const listening = client.events().next();
  for (const index of [0, 1]) {
    await until(() => arrivals.length === index + 1);
    t.deepEqual(arrivals[index]?.protocols, ['taskwire.v1', `bearer.twk_${index}`]);
    arrivals[index]?.socket.close(4401, 'the token was revoked');
  }
  t.like(await t.throwsAsync(listening), { status: 401 });
  t.true(states.includes('denied'));
  t.is(tokens.length, 2);
  t.deepEqual(errors, ['4401 the token was revoked']);
});

test('a position that is not the next one is said aloud, and asked for again', async t => {
  const { url, arrivals } = await standIn(t);
  const errors: string[] = [];
  const { client, world } = await clientOf(t, NEVER, {
    url,
    onError: ({ message }) => void errors.push(message),
  });
  const events = client.events();
  const first = events.next();
  await until(() => arrivals.length === 1);
  arrivals[0]?.send(ready(5), eventAt(6), eventAt(8));
  t.is((await first).value?.position, 6);
  await until(() => client.state === 'waiting');
  world.say('online');
  await until(() => arrivals.length === 2);
  t.deepEqual(errors, ['position 8 after 6']);
  t.is(arrivals[1]?.url, `/ws/events?after=6&log=${LOG}`);
  const second = events.next();
  arrivals[1]?.send(ready(8), eventAt(7), eventAt(8));
  t.is((await second).value?.position, 7);
  t.is((await events.next()).value?.position, 8);
  await events.return();
});

test('a connection on which nothing comes is given up for another one', async t => {
  const { url, arrivals } = await standIn(t);
  const { client } = await clientOf(t, SOON, { url });
  void client.events({ topic: 'tasks' }).next();
  const greeted = new Set<Arrival>();
  await until(() => {
    for (const each of arrivals) if (!greeted.has(each)) greeted.add(each) && each.send(ready(5));
    return arrivals.some(each => each.url === `/ws/events?topic=tasks&after=5&log=${LOG}`);
  });
  t.pass();
});

test('at once: when the instance goes away, when there is a network again, when the page is shown', async t => {
  const { url, arrivals } = await standIn(t);
  const { client, world } = await clientOf(t, NEVER, { url });
  void client.events().next();
  await until(() => arrivals.length === 1);
  arrivals[0]?.send(ready(5));
  await until(() => client.state === 'live');
  arrivals[0]?.socket.close(1001);
  await until(() => arrivals.length === 2);
  for (const [count, event] of [
    [3, 'online'],
    [4, 'visibilitychange'],
  ] as const) {
    arrivals.at(-1)?.socket.terminate();
    await until(() => client.state === 'waiting');
    world.say(event);
    await until(() => arrivals.length === count);
  }
  arrivals.at(-1)?.send(ready(5));
  await until(() => client.state === 'live');
  world.skip(3_600_000); // the machine slept, and its connection died unheard
  world.say('visibilitychange');
  await until(() => arrivals.length === 5);
  t.pass();
});

test('a service that asks for patience, or that refuses again and again, is not hurried', async t => {
  const { url, arrivals } = await standIn(t);
  const { client } = await clientOf(t, NEVER, { url });
  void client.events().next();
  await until(() => arrivals.length === 1);
  arrivals[0]?.socket.close(1013);
  await until(() => client.state === 'waiting');
  const other = await clientOf(t, NEVER, { url });
  void other.client.events().next();
  await until(() => arrivals.length === 2);
  arrivals[1]?.socket.close(1001);
  await until(() => arrivals.length === 3);
  arrivals[2]?.socket.close(1001);
  await until(() => other.client.state === 'waiting');
  t.is(arrivals.length, 3);
});
