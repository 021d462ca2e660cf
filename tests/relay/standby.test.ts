// A standby answers for the primary where it can, and nobody can tell the difference.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import anyTest, { type TestFn } from 'ava';
import type pg from 'pg';
import type { Instance } from '../../src/instance/instance.ts';
import { closeSession, openSession } from '../../src/postgres/session.ts';
import { SERVICE } from '../helpers/database.ts';
import { read } from '../helpers/http.ts';
import { startInstance } from '../helpers/instance.ts';
import { type Frame, openSocket } from '../helpers/socket.ts';
import { startPair } from '../helpers/standby.ts';
import { until } from '../helpers/until.ts';

interface Scene {
  folder: string;
  pair: Awaited<ReturnType<typeof startPair>>;
  core: Instance;
  primary: pg.Client;
  standby: pg.Client;
}

const test = anyTest as TestFn<Scene>;

test.before(async t => {
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-standby-'));
  const pair = await startPair(folder);
  const core = await startInstance(pair.primary.url);
  const [primary, standby] = await Promise.all(
    [pair.primary, pair.standby].map(({ url }) => openSession({ service: SERVICE, url, name: 'test' })),
  );
  Object.assign(t.context, { folder, pair, core, primary, standby });
});

test.after.always(async t => {
  const { folder, pair, core, primary, standby } = t.context;
  await core?.stop();
  for (const session of [primary, standby]) if (session) await closeSession(session).catch(() => {});
  await pair?.standby.stop();
  await pair?.primary.stop();
  await rm(folder, { recursive: true, force: true });
});

const HEAD = 'SELECT max(position)::integer AS head FROM feed.events';
const headOf = async (session: pg.Client): Promise<number> => (await session.query(HEAD)).rows[0].head ?? 0;

// Makes tasks and changes one of them; resolves with it and the head, once these are numbered.
async function write({ primary }: Scene): Promise<{ id: string; head: number }> {
  const before = await headOf(primary);
  await primary.query(`INSERT INTO tasks (title) SELECT 'task ' || n FROM generate_series(1, 30) AS n`);
  const { rows } = await primary.query(
    `UPDATE tasks SET status = 'done' WHERE id = (SELECT max(id::text)::uuid FROM tasks) RETURNING id`,
  );
  const head = await until(
    () => headOf(primary),
    found => found === before + 31,
  );
  return { id: rows[0].id, head };
}

// All that an instance tells of the past.
async function tell({ address }: Instance, { id, head }: { id: string; head: number }) {
  const get = async (path: string) => (await read(await fetch(`${address}${path}`))).body;
  const socket = openSocket(address, '/ws/tasks?snapshot=true');
  const found: Frame[] = [];
  await until(socket.next, frame => {
    if (frame.type === 'snapshot') found.push(frame);
    return (frame as unknown as { last?: boolean }).last === true;
  });
  socket.drop();
  return {
    snapshot: found.map(({ data, position }) => ({ data, position })),
    all: await get(`/events?after=0&limit=1000`),
    some: await get(`/events?after=0&subject=${id}`),
    ofType: await get('/events?after=0&type=task_updated'),
    last: await get('/events?after=0&compact=true&limit=1000'),
    history: await get(`/tasks/${id}/history`),
    past: await get(`/tasks/${id}?as_of=${head - 1}`),
    list: await get(`/tasks?as_of=${head - 1}&limit=200`),
  };
}

// How often the log, and the tasks, were looked into on a server.
async function looks(session: pg.Client): Promise<{ log: number; tasks: number }> {
  const { rows } = await session.query(
    `SELECT
       coalesce(sum(idx_scan) FILTER (WHERE relname LIKE 'events%'), 0)::integer AS log,
       coalesce(sum(idx_scan) FILTER (WHERE relname = 'tasks'), 0)::integer AS tasks
     FROM pg_stat_user_tables`,
  );
  return rows[0];
}

test.serial('the past comes from the standby, and is what the primary tells', async t => {
  const scene = t.context;
  const written = await write(scene);
  await until(
    () => headOf(scene.standby),
    found => found === written.head,
  );
  const expected = await tell(scene.core, written);
  t.is(expected.all.data.length, written.head);
  const instance = await startInstance(scene.pair.primary.url, {
    DATABASE_REPLICA_URL: scene.pair.standby.url,
  });
  const before = await looks(scene.standby);
  t.deepEqual(await tell(instance, written), expected);
  await until(
    () => looks(scene.standby),
    now => now.log > before.log && now.tasks > before.tasks,
  );
  const body = await until(async () => (await read(await fetch(`${instance.address}/health/ready`))).body);
  t.deepEqual(body, { status: 'ok' });
  await instance.stop();
});

test.serial(
  'what the standby has not replayed comes from the primary, and the operator is told that it lags',
  async t => {
    const scene = t.context;
    await scene.standby.query('SELECT pg_wal_replay_pause()');
    await until(
      async () =>
        (await scene.standby.query('SELECT pg_get_wal_replay_pause_state() AS state')).rows[0].state ===
        'paused',
    );
    const written = await write(scene);
    const expected = await tell(scene.core, written);
    const instance = await startInstance(scene.pair.primary.url, {
      DATABASE_REPLICA_URL: scene.pair.standby.url,
    });
    t.deepEqual(await tell(instance, written), expected);
    const { warnings } = await until(
      async () => {
        await fetch(`${instance.address}/tasks/${written.id}/history`);
        return (await read(await fetch(`${instance.address}/health/ready`))).body;
      },
      found => found.warnings !== undefined,
    );
    t.regex(warnings.join(), /the standby lags/);
    await scene.standby.query('SELECT pg_wal_replay_resume()');
    await until(
      () => headOf(scene.standby),
      found => found === written.head,
    );
    t.deepEqual(await tell(instance, written), expected);
    t.is((await read(await fetch(`${instance.address}/health/ready`))).body.warnings, undefined);
    await instance.stop();
  },
);

test.serial('a standby that is away, or of another log, is missed by nobody', async t => {
  const scene = t.context;
  const written = await write(scene);
  await scene.standby.query('SELECT pg_wal_replay_pause()');
  await scene.primary.query('SELECT feed.new_log()');
  const instance = await startInstance(scene.pair.primary.url, {
    DATABASE_REPLICA_URL: scene.pair.standby.url,
  });
  const expected = await tell(scene.core, written);
  t.deepEqual(await tell(instance, written), expected);
  await closeSession(scene.standby);
  const { url } = scene.pair.standby;
  await scene.pair.standby.stop();
  t.deepEqual(await tell(instance, written), expected);
  await instance.stop();
  const other = await startInstance(scene.pair.primary.url, { DATABASE_REPLICA_URL: url });
  t.deepEqual(await tell(other, written), expected);
  const { status, warnings } = (await read(await fetch(`${other.address}/health/ready`))).body;
  t.is(status, 'ok');
  t.regex(warnings.join(), /the standby does not answer/);
  await other.stop();
});
