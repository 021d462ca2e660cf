// What a role, a database or a server has set for others neither ends a session of the service nor changes what it does.
import test, { type ExecutionContext } from 'ava';
import { sql } from 'slonik';
import { z } from 'zod';
import { openLockSession } from '../../src/postgres/lock_session.ts';
import { openPool } from '../../src/postgres/pool.ts';
import { closeSession, openSession, openSessionPool } from '../../src/postgres/session.ts';
import { openWriter } from '../../src/queries/run_session.ts';
import { createTestDatabase, SERVICE, type TestDatabase } from '../helpers/database.ts';
import { read } from '../helpers/http.ts';
import { startInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';
import { readValue } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

// Each would end a session of the service, or make it do something else.
const HOSTILE: Record<string, string> = {
  statement_timeout: '60ms',
  lock_timeout: '1ms',
  transaction_timeout: '60ms',
  idle_in_transaction_session_timeout: '60ms',
  idle_session_timeout: '5s', // the listener, which pg-listen opens, asks every 3 s
  default_transaction_isolation: 'serializable',
  default_transaction_read_only: 'on',
  default_transaction_deferrable: 'on',
  session_replication_role: 'replica',
  row_security: 'off',
  quote_all_identifiers: 'on',
  transform_null_equals: 'on',
  standard_conforming_strings: 'off',
  gin_fuzzy_search_limit: '1',
  TimeZone: 'Asia/Kathmandu',
  DateStyle: 'SQL, DMY',
  IntervalStyle: 'sql_standard',
  bytea_output: 'escape',
  xmloption: 'document',
  extra_float_digits: '-5',
  search_path: 'nowhere',
};
const OWN = 'search_path'; // the operator's

async function createHostileDatabase(t: ExecutionContext): Promise<TestDatabase> {
  const database = await createTestDatabase();
  t.teardown(database.drop);
  const psql = await database.psql();
  const name = new URL(database.url).pathname.slice(1);
  for (const [setting, value] of Object.entries(HOSTILE)) {
    if ((await readValue(psql, 'SELECT current_setting($1, true)', [setting])) === null) continue; // PostgreSQL 16
    await psql.query(`ALTER DATABASE ${name} SET ${setting} = '${value}'`);
  }
  return database;
}

// Which settings of a session still are what its database has.
const REACHED = `
  SELECT coalesce(array_agg(s.name ORDER BY s.name), '{}') AS names
  FROM json_each_text($1) AS s (name, value)
  WHERE current_setting(s.name, true) = s.value`;
const ASKED = [JSON.stringify(HOSTILE)];

test('no kind of session of the service has a setting of the database', async t => {
  const { url } = await createHostileDatabase(t);
  const reached = async (session: { query(text: string, values: unknown[]): Promise<{ rows: unknown[] }> }) =>
    z.tuple([z.object({ names: z.array(z.string()) })]).parse((await session.query(REACHED, ASKED)).rows)[0]
      .names;

  for (const open of [
    () => openSession({ service: SERVICE, url, name: 'test' }),
    () => openWriter({ service: SERVICE, url, name: 'run' }),
  ]) {
    const session = await open();
    t.deepEqual(await reached(session), [OWN]);
    await closeSession(session);
  }
  const held = await openLockSession(
    { service: SERVICE, url, name: 'sequencer' },
    new AbortController().signal,
  );
  t.deepEqual(await reached(held.client), [OWN]);
  await held.close();
  const jobs = openSessionPool({ service: SERVICE, url, name: 'jobs' }, 1);
  t.deepEqual(await reached(jobs), [OWN]);
  await jobs.end();
  for (const throughPooler of [false, true]) {
    const pool = await openPool({ service: SERVICE, url, size: 1, role: !throughPooler, throughPooler });
    const query = sql.type(z.strictObject({ names: z.array(z.string()) }))`
      SELECT coalesce(array_agg(s.name ORDER BY s.name), '{}') AS names
      FROM json_each_text(${JSON.stringify(HOSTILE)}) AS s (name, value)
      WHERE current_setting(s.name, true) = s.value`;
    t.deepEqual(await pool.oneFirst(query), [OWN], `through a pooler: ${throughPooler}`);
    t.deepEqual(await pool.transaction(async on => on.oneFirst(query)), [OWN], 'in a transaction');
    await pool.end();
  }
});

test('on a database with every setting against it the service starts, writes, numbers and tells as ever', async t => {
  const database = await createHostileDatabase(t);
  const instance = await startInstance(database.url, { TASK_SOURCES: 'sample' });
  t.teardown(instance.stop);
  const call = async (method: string, path: string, body?: object) => {
    const answer = await fetch(`${instance.address}${path}`, {
      method,
      headers: { 'Content-Type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    return read(answer);
  };
  const run = await call('POST', '/task-generator/run?wait=30');
  t.like(run, { status: 200, body: { status: 'succeeded' } });

  // Readers beside writers of the same rows: SERIALIZABLE would refuse some of them.
  const { body: task } = await call('POST', '/tasks', { title: 'written by many' });
  const written = await Promise.all(
    Array.from({ length: 60 }, (_, index) =>
      index % 3 === 0
        ? call('POST', '/tasks', { title: `zebra ${index}` })
        : call('PATCH', `/tasks/${task.id}`, { priority: ['low', 'high'][index % 2] }),
    ),
  );
  t.deepEqual([...new Set(written.map(({ status }) => status))].sort(), [200, 201]);
  t.is((await call('GET', '/tasks?q=zebra&limit=200')).body.data.length, 20);

  // A batch that takes longer than any of the limits.
  const psql = await database.psql();
  const socket = openSocket(instance.address, `/ws/tasks?subject=${task.id}`);
  await socket.next();
  await psql.query(
    `INSERT INTO public.tasks (title) SELECT 'bulk ' || n FROM generate_series(1, 20000) AS n`,
  );
  await call('PATCH', `/tasks/${task.id}`, { title: 'the last' });
  await until(async () => {
    const frame = await socket.next();
    return frame.specversion !== undefined && JSON.stringify(frame).includes('the last');
  });
  socket.drop();
  await until(async () => (await call('GET', '/health/ready')).status === 200);
  t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);
});
