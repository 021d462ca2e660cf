// Edges: what PostgreSQL does for three of them against one, how much later an event is there than at a core, and ten
// thousand sockets at three of them against as many at one core. Needs nats-server.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import type pg from 'pg';
import { createTestNats } from '../helpers/nats_server.ts';
import { type Running, startService } from '../helpers/process.ts';
import type { Bench, BenchDatabase } from './bench.ts';
import { insertTasks } from './events.ts';
import { insertAndHear } from './latency.ts';
import { connectSocket, readMetric } from './processes.ts';
import { openReceivers } from './receivers.ts';
import { measure, type Row } from './rounds.ts';

const EDGES = 3;
const SOCKETS = 10_000;
const BURST = 100; // events of one transaction
const INSERTS = 300;
const SETTLED_AFTER = 4_000; // ms until an edge that has just started lives off the stream

export async function edges({ createDatabase, rounds }: Bench): Promise<Row[]> {
  const [database, nats] = [await createDatabase(), await createTestNats()];
  const settings = { NATS_URL: nats.url };
  const core = await startService(database.url, settings);
  const started: Running[] = [core];
  const ways: Way[] = [];
  const startEdge = async () => {
    const way = await createWay(database.url);
    ways.push(way);
    const edge = await startService(way.url, { ...settings, ROLE: 'edge', FEED: 'nats' });
    started.push(edge);
    return edge;
  };
  try {
    const first = await startEdge();
    const one = await workOf(database, [first], ways);
    const all = [first];
    while (all.length < EDGES) all.push(await startEdge());
    const three = await workOf(database, all, ways);
    const late = await measureLatency(database.session, first, core, rounds);
    const atEdges = await fanOut(database, all);
    const atCore = await fanOut(database, [core]);
    return [
      row('insert → frame at an edge, p50, against a core', late.edge?.p50, late.core?.p50, 'ms', 3),
      row('the same, p99', late.edge?.p99, late.core?.p99, 'ms', 3),
      row(`bytes that ${EDGES} edges send PostgreSQL, and 1, for ${INSERTS} inserts`, three, one, '', 1),
      {
        ...row(`${SOCKETS} sockets × ${BURST} events, against one core`, atEdges.rate, atCore.rate, '/s', 1),
        target: { atLeast: 0.8 }, // on one machine: the processors are the same, and the one process that hears them is the limit
      },
      row('processor per delivery', atEdges.processor, atCore.processor, 'µs', 1.2),
      row('resident, a socket', atEdges.resident, atCore.resident, 'KB', 1.5),
    ];
  } finally {
    for (const each of started) await each.stop();
    await nats.drop();
  }
}

function row(figure: string, ours = Number.NaN, floor = Number.NaN, unit = '', atMost = 1): Row {
  return { figure, ours, floor, unit, target: { atMost } };
}

async function measureLatency(session: pg.Client, edge: Running, core: Running, rounds: number) {
  const sockets = await Promise.all([edge, core].map(({ address }) => connectSocket(`${address}/ws/tasks`)));
  const [atEdge, atCore] = sockets as [(typeof sockets)[0], (typeof sockets)[0]];
  const figures = await measure(
    [
      { name: 'edge', run: () => insertAndHear(session, atEdge) },
      { name: 'core', run: () => insertAndHear(session, atCore) },
    ],
    rounds,
  );
  for (const socket of sockets) socket.terminate();
  return figures;
}

// How many bytes the edges ask PostgreSQL with while a socket at each of them hears every insert; one at least, to compare with.
async function workOf(database: BenchDatabase, some: readonly Running[], ways: readonly Way[]) {
  const sockets = await Promise.all(some.map(({ address }) => connectSocket(`${address}/ws/tasks`)));
  await new Promise(resolve => setTimeout(resolve, SETTLED_AFTER));
  const sum = () => ways.reduce((total, { bytes }) => total + bytes(), 0);
  const before = sum();
  for (let count = 0; count < INSERTS; count++) {
    const heard = sockets.map(
      socket => new Promise<void>(resolve => socket.once('message', () => resolve())),
    );
    await database.query(insertTasks(1));
    await Promise.all(heard);
  }
  for (const socket of sockets) socket.terminate();
  return Math.max(1, sum() - before);
}

interface Way {
  url: string;
  /** What was sent to PostgreSQL so far. */
  bytes(): number;
}

async function createWay(url: string): Promise<Way> {
  const target = new URL(url);
  let bytes = 0;
  const server = createServer(near => {
    const far = connect(Number(target.port), target.hostname);
    for (const end of [near, far]) end.on('error', () => {});
    near.on('data', chunk => (bytes += chunk.length));
    near.pipe(far).pipe(near);
  });
  server.listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: Object.assign(new URL(url), { host: `127.0.0.1:${port}` }).href, bytes: () => bytes };
}

async function fanOut(database: BenchDatabase, some: readonly Running[]) {
  const { rows } = await database.query('SELECT max(position)::integer AS head FROM feed.events');
  const { head } = rows[0];
  const sum = async (name: string) => {
    const found = await Promise.all(some.map(({ address }) => readMetric(address, name)));
    return found.reduce((total, value) => total + value, 0);
  };
  const resident = await sum('process_resident_memory_bytes');
  const receivers = await Promise.all(
    some.map(({ address }) =>
      openReceivers(address, {
        path: `/ws/events?after=${head}`,
        count: Math.ceil(SOCKETS / some.length),
        after: head,
      }),
    ),
  );
  const held = (await sum('process_resident_memory_bytes')) - resident;
  const busy = await sum('process_cpu_seconds_total');
  const reached = Promise.all(receivers.map(each => each.reach(head + BURST)));
  const began = performance.now();
  await database.query(insertTasks(BURST));
  await reached;
  const seconds = (performance.now() - began) / 1_000;
  const processor = (await sum('process_cpu_seconds_total')) - busy;
  for (const each of receivers) each.close();
  const deliveries = SOCKETS * BURST;
  return {
    rate: deliveries / seconds,
    processor: (processor / deliveries) * 1e6,
    resident: held / SOCKETS / 1024,
  };
}
