// What whoever has a pool relies on while connections are lost.
import test from 'ava';
import { sql } from 'slonik';
import { isAway } from '../../src/postgres/errors.ts';
import { openPool, ping } from '../../src/postgres/pool.ts';
import { createTestDatabase } from '../helpers/database.ts';
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
      const pool = await openPool({ url: database.url, size: 2, role: true });
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
  const pool = await openPool({ url: database.url, size: 2, role: true });
  const asked = t.throwsAsync(pool.query(sql.unsafe`SELECT count(*) FROM tasks`));
  await until(
    async () =>
      (await psql.query(`SELECT FROM pg_locks WHERE relation = 'tasks'::regclass AND NOT granted`)).rowCount,
  );
  await pool.end();
  t.true(isAway(await asked));
});
