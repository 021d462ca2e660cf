// What whoever has a pool relies on while connections are lost.
import test from 'ava';
import { sql } from 'slonik';
import { ServiceError } from '../../src/errors.ts';
import { isAway, translateDatabaseError } from '../../src/postgres/errors.ts';
import { laneOf, openPool, ping, readBriefly } from '../../src/postgres/pool.ts';
import { createTestDatabase, SERVICE } from '../helpers/database.ts';
import { readValue } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

test('connections that are lost at any moment, also while they are made, fail as an absent database does, and end nothing', async t => {
  const database = await createTestDatabase();
  t.teardown(database.drop);
  const psql = await database.psql();
  let over = false;
  const terminating = (async () => {
    while (!over) {
      await psql.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'taskwire pool'`);
    }
  })();
  let lost = 0;
  try {
    for (let trial = 0; trial < 150; trial++) {
      const pool = await openPool({ service: SERVICE, url: database.url, size: 2, role: true });
      const outcomes = await Promise.allSettled(Array.from({ length: 4 }, () => ping(pool)));
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') continue;
        lost++;
        t.true(isAway(outcome.reason), String(outcome.reason?.stack));
      }
      await pool.end();
    }
  } finally {
    over = true;
    await terminating;
  }
  t.true(lost > 0);
  await ping(database.pool);
});

test('a query that is under way when the pool ends fails as if the database were away', async t => {
  const database = await createTestDatabase();
  t.teardown(database.drop);
  const psql = await database.psql();
  await psql.query('BEGIN; LOCK TABLE tasks');
  const pool = await openPool({ service: SERVICE, url: database.url, size: 2, role: true });
  const asked = t.throwsAsync(pool.query(sql.unsafe`SELECT count(*) FROM tasks`));
  await until(
    async () =>
      (await psql.query(`SELECT FROM pg_locks WHERE relation = 'tasks'::regclass AND NOT granted`)).rowCount,
  );
  await pool.end();
  t.true(isAway(await asked));
});

test('who waits too long for a connection is told that they are in use, not that the database is away, and asks nothing', async t => {
  const database = await createTestDatabase();
  t.teardown(database.drop);
  const pool = await openPool({ service: SERVICE, url: database.url, size: 1, role: true, patience: 50 });
  t.teardown(() => pool.end());
  const psql = await database.psql();
  await psql.query('BEGIN; LOCK TABLE tasks');
  const held = pool.query(sql.unsafe`INSERT INTO public.tasks (title) VALUES ('first')`);
  await Promise.all(
    [
      () => pool.query(sql.unsafe`INSERT INTO public.tasks (title) VALUES ('never')`),
      () => pool.transaction(on => on.query(sql.unsafe`INSERT INTO public.tasks (title) VALUES ('never')`)),
    ].map(async ask => {
      const error = await t.throwsAsync(ask(), { instanceOf: ServiceError });
      t.is(translateDatabaseError(error)?.code, 'busy');
      t.is(error?.headers['Retry-After'], '1');
      t.false(isAway(error));
    }),
  );
  await psql.query('COMMIT');
  await held;
  await ping(pool);
  t.is(await readValue(psql, 'SELECT count(*)::integer FROM tasks'), 1);
});

test('of those who wait for a connection each gets one, in the order in which they came', async t => {
  const database = await createTestDatabase();
  t.teardown(database.drop);
  const pool = await openPool({ service: SERVICE, url: database.url, size: 2, role: true });
  t.teardown(() => pool.end());
  const served: number[] = [];
  await Promise.all(
    Array.from({ length: 40 }, async (_, index) => {
      await (index % 5 === 0 ? t.throwsAsync(pool.query(sql.unsafe`SELECT 1 / 0`)) : ping(pool));
      served.push(index);
    }),
  );
  t.is(served.length, 40);
  t.is(pool.state().waitingClients, 0);
  await ping(pool);
});

test('a brief read that takes longer is cut, and told as what it is; what follows it on the connection is not', async t => {
  const database = await createTestDatabase();
  t.teardown(database.drop);
  const pool = await openPool({ service: SERVICE, url: database.url, size: 1, role: true });
  t.teardown(() => pool.end());
  const slow = sql.unsafe`SELECT pg_sleep(4)`;
  const error = await t.throwsAsync(readBriefly(pool, transaction => transaction.query(slow)));
  t.is(translateDatabaseError(error)?.code, 'timeout');
  await pool.query(slow);
});

test('a full lane leaves the rest of the pool to others', async t => {
  const database = await createTestDatabase();
  t.teardown(database.drop);
  const pool = await openPool({ service: SERVICE, url: database.url, size: 6, role: true });
  t.teardown(() => pool.end());
  const lane = laneOf(pool, { poolSize: 6, of: 'searches' });
  const psql = await database.psql();
  await psql.query('BEGIN; LOCK TABLE tasks');
  const crowd = Array.from({ length: 20 }, () => lane.query(sql.unsafe`SELECT FROM public.tasks`));
  await until(() => lane.state().waitingClients === 18);
  await ping(pool);
  t.is(pool.state().waitingClients, 0);
  await psql.query('COMMIT');
  await Promise.all(crowd);
});
