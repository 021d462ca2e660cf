// feed.verify() is silent while log and tables agree, and names whatever does not.
import test from 'ava';
import type pg from 'pg';
import { pidOf, refusal, sequence, untilBlocked, withDatabase } from '../../helpers/sql.ts';

const verify = async (session: pg.Client) =>
  (
    await session.query<{ topic: string | null; fault: string }>(
      'SELECT topic, subject, fault FROM feed.verify()',
    )
  ).rows;

const SOME = `INSERT INTO tasks (title) VALUES ('a'), ('b'), ('c'), ('d');
  UPDATE tasks SET status = 'done' WHERE title <> 'b'; DELETE FROM tasks WHERE title = 'c'`;

test(
  'it finds nothing on good data, numbered or not',
  withDatabase(async (t, database) => {
    const [session, open] = [await database.psql(), await database.psql()];
    t.deepEqual(await verify(session), []);
    await session.query(SOME);
    t.deepEqual(await verify(session), []);
    await open.query(`BEGIN; UPDATE tasks SET title = 'open' WHERE title = 'a'`);
    t.deepEqual(await verify(session), []);
    await sequence(session);
    t.deepEqual(await verify(session), []);
    await open.query('COMMIT');
    t.deepEqual(await verify(session), []);
    await session.query(`TRUNCATE tasks`);
    await sequence(session);
    t.deepEqual(await verify(session), []);
  }),
);

test(
  'it finds nothing while others write and the sequencer numbers',
  withDatabase(async (t, database) => {
    const [session, leader] = [await database.psql(), await database.psql()];
    let writing = 4;
    const writers = Array.from({ length: writing }, async () => {
      const writer = await database.psql();
      for (let count = 0; count < 40; count++) {
        await writer.query(`INSERT INTO tasks (title) VALUES ('x')`);
        await writer.query(
          `UPDATE tasks SET title = left(title || 'x', 90) WHERE id IN (SELECT id FROM tasks LIMIT 1)`,
        );
        await writer.query('DELETE FROM tasks WHERE id IN (SELECT id FROM tasks OFFSET 20 LIMIT 1)');
      }
      writing--;
    });
    const sequencing = (async () => {
      while (writing > 0) await leader.query('SELECT FROM feed.sequence_staged(1000000)');
    })();
    for (let look = 0; writing > 0; look++) t.deepEqual(await verify(session), [], `look ${look}`);
    await Promise.all([...writers, sequencing]);
    t.deepEqual(await verify(session), []);
  }),
);

test(
  'it finds nothing beside a TRUNCATE, which it waits for',
  withDatabase(async (t, database) => {
    const [session, person] = [await database.psql(), await database.psql()];
    const pid = await pidOf(session);
    await person.query(SOME);
    await person.query(`BEGIN; TRUNCATE tasks`);
    const verifying = verify(session);
    await untilBlocked(person, pid);
    await person.query('COMMIT');
    t.deepEqual(await verifying, []);
  }),
);

test(
  'what the version before told as JSON numbers is no difference, inside of arrays and rows either',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`
      CREATE TYPE pair AS (few bigint, many bigint[]);
      CREATE TABLE own (id integer PRIMARY KEY, one bigint, several bigint[], pair pair);
      SELECT feed.watch('own', topic => 'own', entity => 'own');
      INSERT INTO own VALUES (1, 12, '{3,-4}', '(5,"{6}")')`);
    await sequence(session);
    const tellInstead = (data: string) =>
      session.query(`
        BEGIN;
        ALTER TABLE feed.events DISABLE TRIGGER events_append_only;
        UPDATE feed.events SET data = ${data};
        ALTER TABLE feed.events ENABLE ALWAYS TRIGGER events_append_only;
        COMMIT`);
    await tellInstead(`regexp_replace(data::text, '"(-?[0-9]+)"', '\\1', 'g')::json`);
    t.deepEqual(await verify(session), []);
    await tellInstead(`replace(data::text, '-4', '4')::json`);
    t.regex((await verify(session))[0]?.fault ?? '', /the table says .*"-4"/);
  }),
);

test(
  'above READ COMMITTED, where a TRUNCATE would look like a loss, it is refused',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const { code, hint } = await refusal(session.query('SELECT * FROM feed.verify()'));
    t.is(code, '0A000');
    t.regex(hint ?? '', /read committed/);
  }),
);

const DIFFERENCES: Record<string, [table: string, statements: string, fault: RegExp, topic: string | null]> =
  {
    'a trigger that does not fire always': [
      'tasks',
      'ALTER TABLE tasks ENABLE TRIGGER ALL; ALTER TABLE tasks ENABLE ALWAYS TRIGGER "00_feed_capture_truncate"',
      /the trigger "00_feed_capture" of public\.tasks does not fire always/,
      'tasks',
    ],
    'a row that was changed': [
      'tasks',
      `UPDATE tasks SET title = 'z' WHERE title = 'b'`,
      /the table says .*"z".* the log says .*"b"/,
      'tasks',
    ],
    'a row that was deleted': [
      'tasks',
      `DELETE FROM tasks WHERE title = 'b'`,
      /in the log, but not in the table/,
      'tasks',
    ],
    'a row that was added': [
      'tasks',
      `INSERT INTO tasks (id, title, created_at, updated_at, version) VALUES (gen_random_uuid(), 'z', now(), now(), 1)`,
      /in the table, but not in the log/,
      'tasks',
    ],
    'a row that was brought back': [
      'tasks',
      `INSERT INTO tasks SELECT r.* FROM feed.events, json_populate_record(NULL::tasks, data) AS r WHERE type = 'task_deleted'`,
      /in the table, but not in the log/,
      'tasks',
    ],
    'a run with another status': ['runs', `UPDATE runs SET status = 'running'`, /the table says/, 'runs'],
    'a hole in the log': [
      'feed.events',
      'DELETE FROM feed.events WHERE position = 3',
      /position 4 follows 2/,
      null,
    ],
    'a log without its end': [
      'feed.events',
      'DELETE FROM feed.events WHERE position = (SELECT max(position) FROM feed.events); DELETE FROM feed.staged',
      /the last batch ends at \d+, the log at \d+/,
      null,
    ],
    'a staged change that counts as numbered': [
      'feed.events',
      `INSERT INTO feed.staged (xid, topic, type, subject, "time", origin, data)
         SELECT xid, topic, type, subject, "time", origin, data FROM feed.staged LIMIT 1`,
      /transaction \d+ counts as numbered, and its staged run_queued stands in no event/,
      'runs',
    ],
    'a version that was skipped': [
      'feed.events',
      `UPDATE feed.events SET data = replace(data::text, '"version":2', '"version":3')::json WHERE data ->> 'title' = 'd'`,
      /version 3 at position \d+ follows version 1/,
      'tasks',
    ],
    'a transaction that was torn apart': [
      'feed.events',
      'UPDATE feed.events SET transaction = (SELECT transaction FROM feed.events WHERE position = 1) WHERE position = (SELECT max(position) FROM feed.events)',
      /transaction \d+ stands in the log in 2 pieces/,
      null,
    ],
  };

test(
  'it names every difference made behind the triggers’ back, and no other',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`INSERT INTO runs (kind) VALUES ('generate')`);
    for (const statement of SOME.split(';')) await session.query(statement);
    await sequence(session);
    t.deepEqual(await verify(session), []);
    for (const [what, [table, statements, fault, topic]] of Object.entries(DIFFERENCES)) {
      await session.query(`BEGIN; ALTER TABLE ${table} DISABLE TRIGGER ALL; ${statements}`);
      const found = await verify(session);
      await session.query('ROLLBACK');
      t.is(
        found.filter(row => fault.test(row.fault) && row.topic === topic).length,
        1,
        `${what}: ${JSON.stringify(found)}`,
      );
    }
  }),
);
