// Edges: instances that live off the stream. What their sockets hear is what every other socket hears, whatever becomes of NATS.
import type { ExecutionContext } from 'ava';
import type { Instance } from '../../src/instance/instance.ts';
import { createCable } from '../helpers/cable.ts';
import { read } from '../helpers/http.ts';
import { makeEventStream, natsTest, readStream, untilPosition } from '../helpers/nats.ts';
import { readMetric, type Scene, untilWarnings, withNats } from '../helpers/nats_scene.ts';
import { type Frame, openSocket } from '../helpers/socket.ts';
import { until } from '../helpers/until.ts';

const EDGE = { ROLE: 'edge', FEED: 'nats' };

// A core, and an edge that hears the stream by now.
async function startPair({ start, insert, nats }: Scene): Promise<{ core: Instance; edge: Instance }> {
  const core = await start();
  await insert(1);
  await untilPosition(nats, 1);
  const edge = await start(EDGE);
  await untilHears(edge);
  return { core, edge };
}

// It has said that NATS is away or the stream is not there, or it has not; what counts is that it says nothing now.
async function untilHears(edge: Instance): Promise<void> {
  await untilWarnings(edge, warnings => warnings === '');
}

const positionsOf = (frames: Frame[]) => frames.map(({ position }) => position);
const upTo = (from: number, through: number) =>
  Array.from({ length: through - from + 1 }, (_, index) => from + index);

natsTest(
  'a socket at an edge hears every event once and in order, the very same as at any other instance',
  withNats(async (t, scene) => {
    const { core, edge } = await startPair(scene);
    const sockets = [core, edge].map(({ address }) => openSocket(address, '/ws/events?after=0'));
    const live = openSocket(edge.address, '/ws/tasks');
    await live.next();
    await scene.insert(50);
    await scene.psql.query(`UPDATE tasks SET labels = '{"a\\"b", "ü"}', status = 'done'`);
    const [at = [], here = []] = await Promise.all(sockets.map(socket => socket.events(102)));
    t.deepEqual(positionsOf(here), upTo(1, 102));
    t.deepEqual(here, at);
    t.deepEqual(await live.events(101), at.slice(1));
    const pages = await Promise.all(
      [core, edge].map(async ({ address }) => read(await fetch(`${address}/events?after=0&limit=200`))),
    );
    t.deepEqual(pages[1]?.body, pages[0]?.body);
    const snapshot = openSocket(edge.address, '/ws/tasks?snapshot=true');
    const frames = await until(snapshot.next, ({ type }) => type === 'snapshot');
    t.is((frames as unknown as { data: unknown[] }).data.length, 51);
  }),
);

natsTest(
  'live events reach an edge by NATS alone: not even a way to the database is needed for them',
  withNats(async (t, scene) => {
    const core = await scene.start();
    await scene.insert(1);
    await untilPosition(scene.nats, 1);
    const cable = await createCable(new URL(scene.database.url));
    const edge = await scene.start({ ...EDGE, DATABASE_URL: cable.through(scene.database.url) });
    await untilHears(edge);
    const socket = openSocket(edge.address, '/ws/tasks');
    await socket.next();
    cable.stall();
    await scene.insert(20);
    t.deepEqual(positionsOf(await socket.events(20)), upTo(2, 21));
    cable.unstall();
    t.is((await fetch(`${core.address}/tasks`)).status, 200);
  }),
);

natsTest(
  'an edge numbers nothing, works on nothing and listens to nothing, and has three connections at most',
  withNats(async (t, scene) => {
    await startPair(scene);
    const session = await scene.database.psql();
    const ofCore = await applications(session);
    const edges = [await scene.start(EDGE), await scene.start(EDGE)];
    for (const { address } of edges)
      await Promise.all(upTo(1, 9).map(() => fetch(`${address}/health/ready`)));
    const all = await applications(session);
    t.deepEqual(Object.keys(all).sort(), Object.keys(ofCore).sort());
    for (const [name, count] of Object.entries(all))
      t.true(count - (ofCore[name] ?? 0) <= (name === 'taskwire pool' ? 6 : 0), `${name}: ${count}`);
  }),
);

async function applications(session: Awaited<ReturnType<Scene['database']['psql']>>) {
  const { rows } = await session.query(
    `SELECT application_name AS name, count(*)::integer AS count FROM pg_stat_activity
     WHERE datname = current_database() AND backend_type = 'client backend' AND application_name LIKE 'taskwire%'
     GROUP BY 1`,
  );
  return Object.fromEntries(rows.map(({ name, count }) => [name, count])) as Record<string, number>;
}

natsTest(
  'REST is off at an edge, which says so; its documents have what it serves and nothing else',
  withNats(async (t, scene) => {
    const { edge } = await startPair(scene);
    const { status, body } = await read(await fetch(`${edge.address}/tasks`));
    t.is(status, 404);
    t.regex(body.detail, /this instance is an edge/);
    t.is((await fetch(`${edge.address}/test/nats?currency=USD&rate=1`, { method: 'POST' })).status, 404);
    const { paths } = (await read(await fetch(`${edge.address}/openapi.json`))).body;
    t.true('/events' in paths);
    t.false('/tasks' in paths);
  }),
);

natsTest(
  'while NATS is away an edge says so and stays ready: events come late, and none is lost or comes twice',
  withNats(async (t, scene) => {
    const { edge } = await startPair(scene);
    const socket = openSocket(edge.address, '/ws/events?after=0');
    await scene.nats.end('SIGKILL');
    const ready = await untilWarnings(edge, warnings => warnings.includes('NATS is away'));
    t.is(ready.status, 'ok');
    t.is(await readMetric(edge, 'taskwire_nats_connected'), 0);
    await scene.insert(30);
    t.deepEqual(positionsOf(await socket.events(31)), upTo(1, 31));
    await scene.nats.start();
    await untilHears(edge);
    t.is(await readMetric(edge, 'taskwire_nats_connected'), 1);
    await scene.insert(30);
    t.deepEqual(positionsOf(await socket.events(30)), upTo(32, 61));
  }),
);

natsTest(
  'an edge may start before NATS does, and before the stream is there',
  withNats(async (t, scene) => {
    await scene.nats.end('SIGTERM');
    const core = await scene.start();
    const edge = await scene.start(EDGE);
    const socket = openSocket(edge.address, '/ws/events');
    await socket.next();
    await scene.insert(1);
    t.is((await socket.event()).position, 1);
    await scene.nats.start();
    await untilHears(edge);
    await scene.insert(1);
    t.is((await socket.event()).position, 2);
    t.truthy(core);
  }),
);

natsTest(
  'a stream that is purged, or deleted and made anew, costs time at most: then events come by it again',
  withNats(async (t, scene) => {
    await scene.start();
    await scene.insert(1);
    await untilPosition(scene.nats, 1);
    const cable = await createCable(new URL(scene.database.url));
    const edge = await scene.start({ ...EDGE, DATABASE_URL: cable.through(scene.database.url) });
    await untilHears(edge);
    const socket = openSocket(edge.address, '/ws/events?after=0');
    const { streams, consumers } = scene.nats.manager;
    await scene.insert(2);
    await socket.events(3);
    await streams.purge('taskwire_events');
    await scene.insert(2);
    t.deepEqual(positionsOf(await socket.events(2)), [4, 5]);
    await streams.delete('taskwire_events');
    await scene.insert(2);
    t.deepEqual(positionsOf(await socket.events(2)), [6, 7]);
    await untilPosition(scene.nats, 7);
    await until(async () => (await consumers.list('taskwire_events').next()).length > 0);
    await untilHears(edge);
    cable.stall();
    await scene.insert(2);
    t.deepEqual(positionsOf(await socket.events(2)), [8, 9]);
    cable.unstall();
  }),
);

natsTest(
  'while the bridge has halted events come late',
  withNats(async (t, scene) => {
    await makeEventStream(scene.nats, {});
    const { headers } = await import('@nats-io/transport-node');
    const made = headers();
    made.set('Taskwire-Log', '00000000-0000-7000-8000-000000000000');
    await scene.nats.client.publish('taskwire.events.tasks.task_created', '{}', {
      msgID: '99',
      headers: made,
    });
    const core = await scene.start();
    await untilWarnings(core, warnings => warnings.includes('the log was set back'));
    const edge = await scene.start(EDGE);
    const socket = openSocket(edge.address, '/ws/events');
    await socket.next();
    await scene.insert(3);
    t.deepEqual(positionsOf(await socket.events(3)), [1, 2, 3]);
    t.is((await readStream(scene.nats)).length, 1);
  }),
);

natsTest(
  'what another publisher puts on the stream, or under an event that is none, is told to nobody',
  withNats(async (t, scene) => {
    const { edge } = await startPair(scene);
    const socket = openSocket(edge.address, '/ws/events');
    const { log = '' } = await socket.next();
    const { headers } = await import('@nats-io/transport-node');
    const forged = headers();
    forged.set('Taskwire-Log', log);
    forged.set('Nats-Msg-Id', '900');
    scene.nats.connection.publish('taskwire.events.x', 'hello');
    scene.nats.connection.publish('taskwire.events.x', '{"position":900}', { headers: forged });
    scene.nats.connection.publish('taskwire.head', JSON.stringify({ log, position: 950 }));
    scene.nats.connection.publish('taskwire.head', 'hello');
    await scene.nats.connection.flush();
    await scene.insert(1);
    t.is((await socket.event()).position, 2);
  }),
);

natsTest(
  'an event that is too large for NATS comes to an edge with all its data',
  withNats(async (t, scene) => {
    await makeEventStream(scene.nats, { max_msg_size: 2_000 });
    const { edge } = await startPair(scene);
    const socket = openSocket(edge.address, '/ws/tasks');
    await socket.next();
    await scene.psql.query(`INSERT INTO tasks (title, description) VALUES ('large', repeat('x', 5000))`);
    await scene.insert(1);
    const [large, small] = await socket.events(2);
    t.is(large?.data?.task?.description, 'x'.repeat(5_000));
    t.is(small?.position, 3);
  }),
);

natsTest(
  'clients of an edge are reset as those of every instance when the log becomes another one, and go on in it',
  withNats(async (t, scene) => {
    const { edge } = await startPair(scene);
    const socket = openSocket(edge.address, '/ws/events');
    const { log } = await socket.next();
    await scene.psql.query('SELECT feed.new_log()');
    t.like(await until(socket.next, ({ type }) => type === 'reset'), { reason: 'other_log' });
    t.is((await socket.closed).code, 4410);
    const again = openSocket(edge.address, '/ws/events');
    t.not((await again.next()).log, log);
    await scene.insert(2);
    t.deepEqual(positionsOf(await again.events(2)), [2, 3]);
  }),
);

natsTest(
  'with STOP_SPREAD sockets are sent away one after the other, and who is still there goes on being told',
  withNats(async (t, scene) => {
    await startPair(scene);
    const edge = await scene.start({ ...EDGE, STOP_SPREAD: '2' });
    const sockets = upTo(1, 20).map(() => openSocket(edge.address, '/ws/events'));
    await Promise.all(sockets.map(socket => socket.next()));
    let left = 0;
    const closed = sockets.map(socket => socket.closed.then(({ code }) => [code, ++left]));
    const stopping = edge.stop();
    t.deepEqual(await closed[0], [1001, 1]);
    await scene.insert(1);
    t.is((await sockets.at(-1)?.event())?.position, 2);
    await stopping;
    t.deepEqual(
      await Promise.all(closed),
      upTo(1, 20).map(number => [1001, number]),
    );
  }),
);

natsTest(
  'three edges on one core: sockets at all of them hear the same under concurrent writers',
  withNats(async (t, scene) => {
    const { core, edge } = await startPair(scene);
    const edges = [edge, await scene.start(EDGE), await scene.start(EDGE)];
    const sockets = [core, ...edges].map(({ address }) => openSocket(address, '/ws/events?after=0'));
    await Promise.all(upTo(1, 10).map(() => write(t, scene, 20)));
    const heard = await Promise.all(sockets.map(socket => socket.events(201)));
    for (const frames of heard) t.deepEqual(frames, heard[0]);
    t.deepEqual(positionsOf(heard[0] ?? []), upTo(1, 201));
  }),
);

async function write(t: ExecutionContext, { database }: Scene, count: number): Promise<void> {
  const session = await database.psql();
  for (const number of upTo(1, count))
    await session.query('INSERT INTO tasks (title) VALUES ($1)', [`n ${number}`]);
  t.pass();
}
