// Two instances as processes behind the proxy of docker-compose.yml: to a client they are one service, whichever of
// them is killed.
import test, { type ExecutionContext } from 'ava';
import { createTestDatabase } from '../helpers/database.ts';
import { findLastingPort } from '../helpers/port.ts';
import { startService } from '../helpers/process.ts';
import { startProxy } from '../helpers/proxy.ts';
import { createRandom, type Random } from '../helpers/random.ts';
import { openSocket } from '../helpers/socket.ts';
import { until } from '../helpers/until.ts';

const KILLS = 3; // of each instance
const WRITERS = 2;
const CLIENTS = 3;

async function startTopology(t: ExecutionContext) {
  const database = await createTestDatabase();
  const instances = await Promise.all([startInstance(database.url), startInstance(database.url)]);
  const [first, second] = instances;
  t.teardown(async () => {
    await Promise.all(instances.map(instance => instance.stop()));
    await database.drop();
  });
  const proxy = await startProxy([first.address, second.address], text => t.log(text));
  t.teardown(proxy.stop);
  return { database, instances, address: proxy.address };
}

// An instance that can be killed and comes back where it was.
async function startInstance(url: string) {
  const environment = { PORT: String(await findLastingPort()) };
  let running = await startService(url, environment);
  return {
    address: running.address,
    stop: () => running.stop(),
    killAndRestart: async () => {
      await running.kill();
      running = await startService(url, environment);
    },
  };
}

type Instance = Awaited<ReturnType<typeof startInstance>>;

async function post(address: string, title: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(`${address}/tasks`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify({ title }),
  });
  if (response.status !== 201) throw new Error(`the answer is ${response.status}`);
  const { id } = (await response.json()) as { id: string };
  return id;
}

async function openSockets({ address }: Instance): Promise<number> {
  const text = await (await fetch(`${address}/metrics`)).text();
  return Number(/^taskwire_sockets_open (\d+)$/m.exec(text)?.[1]);
}

test('a task posted through the proxy is heard at the sockets of both instances', async t => {
  const { address, instances } = await startTopology(t);
  // As a page that the proxy serves would: its origin is the proxy's, which the instances must hear of.
  const sockets = [1, 2].map(() => openSocket(address, '/ws/tasks', { origin: address }));
  for (const socket of sockets) t.is((await socket.next()).type, 'ready');
  t.deepEqual(await Promise.all(instances.map(openSockets)), [1, 1]);
  for (const requestid of ['posted-first', 'posted-second']) {
    const subject = await post(address, requestid, { 'X-Request-Id': requestid });
    for (const socket of sockets) t.like(await socket.event(), { subject, requestid, origin: 'rest' });
  }
  for (const socket of sockets) socket.drop();
});

test('killing either instance at any moment, no client of the proxy misses or repeats an event', async t => {
  t.timeout(180_000);
  const random = createRandom(text => t.log(text));
  const { address, database, instances } = await startTopology(t);
  const [enough, over] = [new AbortController(), new AbortController()];
  t.teardown(() => {
    for (const end of [enough, over]) end.abort();
  });
  const clients = Array.from({ length: CLIENTS }, () => follow(address, over.signal));
  const writers = Array.from({ length: WRITERS }, () => write(address, clients, enough.signal));
  const killers = instances.map(instance => killNowAndThen(instance, clients[0], random.fork()));
  await Promise.all(killers);
  enough.abort();
  const acknowledged = (await Promise.all(writers)).flat();

  // The proxy may take both for down for a second more.
  const last = await until(() => post(address, 'last').catch(() => undefined));
  for (const client of clients) await until(() => client.subjects.has(last) || client.failure !== undefined);

  const psql = await database.psql();
  const { rows } = await psql.query('SELECT position, subject FROM feed.events ORDER BY position');
  for (const client of clients) {
    t.is(client.failure, undefined);
    t.deepEqual(
      client.heard.map(String),
      rows.map(row => String(row.position)),
    );
  }
  const subjects = new Set(rows.map(row => row.subject));
  t.deepEqual(
    acknowledged.filter(id => !subjects.has(id)),
    [],
  );
  t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);
  t.log(`${KILLS * instances.length} kills, ${rows.length} events, ${acknowledged.length} answered posts`);
});

interface Follower {
  readonly heard: readonly number[];
  readonly subjects: ReadonlySet<string>;
  readonly failure: unknown;
}

// A client as the README asks for: it resumes after the last event it has seen, of the log it has seen.
function follow(address: string, over: AbortSignal): Follower {
  const heard: number[] = [];
  const subjects = new Set<string>();
  let log = '';
  let failure: unknown;
  let socket = openSocket(address, '/ws/tasks?after=0');

  async function read(): Promise<void> {
    for (;;) {
      const frame = await socket.next();
      if (frame.type === 'reset') failure = new Error(`reset: ${frame.reason}`);
      if (frame.type === 'ready') log = String(frame.log);
      if (frame.specversion === undefined) continue;
      heard.push(Number(frame.position));
      subjects.add(String(frame.subject));
    }
  }
  async function live(): Promise<void> {
    while (failure === undefined) {
      await read().catch(() => {}); // closed, for whatever reason: on the other instance it goes on
      await untilServed(address, over);
      if (over.aborted) return;
      const known = log === '' ? '' : `&log=${log}`;
      socket = openSocket(address, `/ws/tasks?after=${heard.at(-1) ?? 0}${known}`);
    }
  }
  over.addEventListener('abort', () => socket.drop());
  live().catch(error => {
    failure = error;
  });
  return {
    heard,
    subjects,
    get failure() {
      return failure;
    },
  };
}

// A new task once somebody has heard of the last one; what got no answer is tried again.
async function write(address: string, clients: readonly Follower[], enough: AbortSignal): Promise<string[]> {
  const ids: string[] = [];
  while (!enough.aborted) {
    const id = await post(address, `task ${ids.length}`).catch(() => undefined);
    if (id === undefined) {
      await untilServed(address, enough);
      continue;
    }
    ids.push(id);
    await until(() => enough.aborted || clients.some(({ subjects }) => subjects.has(id)));
  }
  return ids;
}

// Each instance by itself: now and then both are away at once.
async function killNowAndThen(
  instance: Instance,
  witness: Follower | undefined,
  random: Random,
): Promise<void> {
  for (let kill = 0; kill < KILLS; kill++) {
    const timestamp = (witness?.heard.length ?? 0) + random.below(40);
    await until(() => (witness?.heard.length ?? 0) >= timestamp || witness?.failure !== undefined);
    await instance.killAndRestart();
  }
}

async function untilServed(address: string, over: AbortSignal): Promise<void> {
  await until(async () => over.aborted || (await fetch(`${address}/health/live`).catch(() => undefined))?.ok);
}
