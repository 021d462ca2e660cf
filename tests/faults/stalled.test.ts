// The network stalls: bytes stop, and nothing closes. An instance finds out by itself, says so, and goes on by itself.
import test, { type ExecutionContext } from 'ava';
import { isAway } from '../../src/postgres/errors.ts';
import { openPool, ping } from '../../src/postgres/pool.ts';
import { createCable } from '../helpers/cable.ts';
import { createTestDatabase, SERVICE } from '../helpers/database.ts';
import { read } from '../helpers/http.ts';
import { startInstance } from '../helpers/instance.ts';
import { openSocket, type TestSocket } from '../helpers/socket.ts';
import { until } from '../helpers/until.ts';

// One instance whose connections all go through a cable, and one beside it that has its own.
async function begin(t: ExecutionContext) {
  const database = await createTestDatabase();
  const cable = await createCable(new URL(database.url));
  const far = await startInstance(cable.through(database.url));
  const near = await startInstance(database.url);
  const sockets = [openSocket(far.address, '/ws/tasks'), openSocket(near.address, '/ws/tasks')] as const;
  for (const socket of sockets) await socket.next();
  const psql = await database.psql();
  t.teardown(async () => {
    for (const socket of sockets) socket.drop();
    await Promise.all([far.stop(), near.stop()]);
    cable.cut();
    await database.drop();
  });
  const ready = async (of: typeof far) => read(await fetch(`${of.address}/health/ready`));
  return {
    cable,
    far: { socket: sockets[0], ready: () => ready(far) },
    near: { socket: sockets[1], ready: () => ready(near) },
    insert: () => psql.query(`INSERT INTO tasks (title) VALUES ('a task')`),
    instance: far,
  };
}

async function positions(socket: TestSocket, count: number): Promise<unknown[]> {
  return (await socket.events(count)).map(event => event.position);
}

for (const [end, name] of [
  ['heals', 'flows again'],
  ['cut', 'is cut and mended'],
  ['stranded', 'carries only new connections'],
] as const) {
  test(`all connections of an instance stall: the others do not notice, and once the network ${name} it goes on`, async t => {
    const { cable, far, near, insert } = await begin(t);
    await insert();
    for (const { socket } of [far, near]) t.deepEqual(await positions(socket, 1), [1]);
    cable.stall();
    await insert();
    await insert();
    t.deepEqual(await positions(near.socket, 2), [2, 3]);
    const { status, body } = await far.ready();
    t.is(status, 503);
    t.true(body.reasons.includes('the database did not answer in time'));
    t.is((await near.ready()).status, 200);
    if (end === 'heals') cable.unstall();
    if (end === 'cut') {
      cable.cut();
      cable.mend();
    }
    if (end === 'stranded') cable.strand();
    await insert();
    for (const [{ socket }, expected] of [
      [far, [2, 3, 4]],
      [near, [4]],
    ] as const)
      t.deepEqual(await positions(socket, expected.length), expected);
    await until(async () => (await far.ready()).status === 200);
  });
}

test('a leader alone that never gets the answer to a batch finds out, and goes on after it', async t => {
  const database = await createTestDatabase();
  const cable = await createCable(new URL(database.url));
  const instance = await startInstance(cable.through(database.url));
  const socket = openSocket(instance.address, '/ws/tasks');
  await socket.next();
  const [psql, locker] = [await database.psql(), await database.psql()];
  const insert = () => psql.query(`INSERT INTO tasks (title) VALUES ('a task')`);
  await insert();
  t.deepEqual(await positions(socket, 1), [1]);

  await locker.query('BEGIN; LOCK TABLE feed.events IN EXCLUSIVE MODE');
  await insert();
  const blocked = `SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'taskwire sequencer' AND wait_event_type = 'Lock'`;
  await until(async () => (await psql.query(blocked)).rowCount);
  cable.strand();
  await locker.query('COMMIT');
  await until(async () => (await psql.query('SELECT FROM feed.events')).rowCount === 2);
  await insert();
  t.deepEqual(await positions(socket, 2), [2, 3]);
  socket.drop();
  await instance.stop();
  cable.cut();
  await database.drop();
});

test('an instance stops in order while its connections stall', async t => {
  const { cable, far, near, insert, instance } = await begin(t);
  cable.stall();
  await insert();
  t.deepEqual(await positions(near.socket, 1), [1]);
  await far.ready();
  await instance.stop();
  t.is((await far.socket.closed).code, 1001);
});

test('a query on a connection that has silently died fails as if the database were away, and the pool goes on', async t => {
  const database = await createTestDatabase();
  const cable = await createCable(new URL(database.url));
  const pool = await openPool({
    service: SERVICE,
    url: cable.through(database.url),
    size: 3,
    role: true,
    statementTimeout: 200,
  });
  await Promise.all([ping(pool), ping(pool), ping(pool)]);
  cable.strand();
  t.true(isAway(await t.throwsAsync(ping(pool))));
  await Promise.all([ping(pool), ping(pool), ping(pool)]);
  cable.strand();
  const lost = await Promise.allSettled([ping(pool), ping(pool), ping(pool), ping(pool)]);
  t.is(
    lost.filter(({ status }) => status === 'rejected').length,
    3,
    'who waited for a connection got a new one',
  );
  await ping(pool);
  await pool.end();
  cable.cut();
  await database.drop();
});
