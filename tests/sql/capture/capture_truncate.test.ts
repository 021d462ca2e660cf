// TRUNCATE deletes rows like any other statement: each is heard, or none is deleted.
import test from 'ava';
import type pg from 'pg';
import { pidOf, readValue, refusal, sequence, untilBlocked, withDatabase } from '../../helpers/sql.ts';

const deletions = async (session: pg.Client) =>
  (await sequence(session)).map(({ type, data }) => `${type} ${data.title}`);

test(
  'TRUNCATE is a deletion of each row',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`INSERT INTO tasks (title) VALUES ('a'), ('b'), ('c')`);
    await sequence(session);
    await session.query(`BEGIN; DELETE FROM tasks WHERE title = 'b'; TRUNCATE tasks; COMMIT; TRUNCATE tasks`);
    t.deepEqual(await deletions(session), ['task_deleted b', 'task_deleted a', 'task_deleted c']);
    t.deepEqual((await session.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

test(
  'TRUNCATE is refused above READ COMMITTED, where its snapshot may not see every row',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`INSERT INTO tasks (title) VALUES ('a')`);
    for (const level of ['REPEATABLE READ', 'SERIALIZABLE']) {
      await session.query(`BEGIN ISOLATION LEVEL ${level}`);
      t.is((await refusal(session.query('TRUNCATE tasks'))).code, '0A000');
      await session.query('ROLLBACK');
    }
    t.is(await readValue(session, 'SELECT count(*) FROM tasks'), '1');
  }),
);

test(
  'a row that another session inserts while TRUNCATE waits for it is heard to be deleted too',
  withDatabase(async (t, database) => {
    const [session, writer, observer] = [await database.psql(), await database.psql(), await database.psql()];
    await writer.query(`BEGIN; INSERT INTO tasks (title) VALUES ('late')`);
    const pid = await pidOf(session);
    const truncating = session.query('TRUNCATE tasks');
    await untilBlocked(observer, pid);
    await writer.query('COMMIT');
    await truncating;
    t.deepEqual(await deletions(session), ['task_created late', 'task_deleted late']);
  }),
);

test(
  'a TRUNCATE that is rolled back deleted nothing',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`INSERT INTO tasks (title) VALUES ('a')`);
    await session.query('BEGIN; TRUNCATE tasks; ROLLBACK');
    t.deepEqual(await deletions(session), ['task_created a']);
    t.deepEqual((await session.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);
