// What becomes an event: every committed change of a row, however it was made, in the order in which it happened.
import test from 'ava';
import { type Logged, readLog, readValue, sequence, withDatabase } from '../../helpers/sql.ts';

const brief = (events: Logged[]) => events.map(({ type, data }) => [type, data.title, data.version]);

test(
  'an event holds the whole row, as it is rendered, and an update what the changed fields were before',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`SET TimeZone = 'Asia/Kolkata'; SET DateStyle = 'SQL, DMY'`);
    await session.query(
      `INSERT INTO tasks (title, due_at, labels) VALUES ('a', '2026-01-02 03:04:05+00', '{"x y",é}')`,
    );
    await session.query(`UPDATE tasks SET title = 'b', labels = '{}', status = 'done'`);
    const [created, updated] = await sequence(session);
    t.like(created, {
      position: 1,
      topic: 'tasks',
      type: 'task_created',
      origin: 'psql',
      requestid: null,
      previous: null,
    });
    t.like(created?.data, {
      title: 'a',
      due_at: '2026-01-02T03:04:05.000000Z',
      labels: ['x y', 'é'],
      version: 1,
    });
    t.is(created?.subject, String(created?.data.id));
    t.like(updated, { position: 2, type: 'task_updated', subject: created?.subject });
    t.deepEqual(updated?.previous, {
      title: 'a',
      status: 'todo',
      labels: ['x y', 'é'],
      updated_at: created?.data.updated_at,
      completed_at: null,
      version: 1,
    });
    t.is(
      await readValue(session, 'SELECT feed.render(t)::text FROM tasks AS t'),
      await readValue(session, 'SELECT data::text FROM feed.events WHERE position = 2'),
    );
  }),
);

test(
  'a deletion holds the last state',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(
      `INSERT INTO tasks (title) VALUES ('a'); UPDATE tasks SET title = 'b'; DELETE FROM tasks`,
    );
    const deleted = (await sequence(session)).at(-1);
    t.like(deleted, { type: 'task_deleted', previous: null });
    t.like(deleted?.data, { title: 'b', version: 2 });
  }),
);

test(
  'ON CONFLICT, MERGE and COPY are heard like any other change',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const upsert = (title: string, what: string) =>
      session.query(`INSERT INTO tasks (title, source, external_id) VALUES ('${title}', 's', '1')
        ON CONFLICT (source, external_id) DO ${what}`);
    await upsert('a', 'NOTHING');
    await upsert('b', 'NOTHING');
    await upsert('c', 'UPDATE SET title = excluded.title');
    await session.query(`
      MERGE INTO tasks USING (VALUES ('1', 'd'), ('2', 'e')) AS new (id, title) ON external_id = new.id
      WHEN MATCHED THEN UPDATE SET title = new.title
      WHEN NOT MATCHED THEN INSERT (title, source, external_id) VALUES (new.title, 's', new.id)`);
    await session.query(`COPY tasks (title) FROM PROGRAM 'echo f'`);
    t.deepEqual(brief(await sequence(session)), [
      ['task_created', 'a', 1],
      ['task_updated', 'c', 2],
      ['task_updated', 'd', 3],
      ['task_created', 'e', 1],
      ['task_created', 'f', 1],
    ]);
  }),
);

test(
  'an upsert by id counts one change, and its refusal none',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const upsert = (what: string) => `INSERT INTO tasks (id, title)
      VALUES ('00000000-0000-7000-8000-000000000001', 'x') ON CONFLICT (id) DO ${what} RETURNING version`;
    t.is(await readValue(session, upsert(`UPDATE SET title = 'y'`)), '1');
    t.is(await readValue(session, upsert(`UPDATE SET title = 'y'`)), '2');
    t.is((await session.query(upsert('NOTHING'))).rowCount, 0);
    t.is(await readValue(session, upsert(`UPDATE SET title = 'y'`)), '2');
    t.deepEqual(
      (await sequence(session)).map(event => event.type),
      ['task_created', 'task_updated'],
    );
  }),
);

test(
  'what is rolled back never happened: a transaction, a savepoint, an exception block',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`BEGIN; INSERT INTO tasks (title) VALUES ('never'); ROLLBACK`);
    await session.query(`
      BEGIN;
      INSERT INTO tasks (title) VALUES ('a');
      SAVEPOINT here; UPDATE tasks SET title = 'never'; ROLLBACK TO here;
      DO $$ BEGIN DELETE FROM tasks; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END $$;
      UPDATE tasks SET title = 'b';
      COMMIT`);
    const log = await sequence(session);
    t.deepEqual(brief(log), [
      ['task_created', 'a', 1],
      ['task_updated', 'b', 2],
    ]);
    t.deepEqual(new Set(log.map(event => event.transaction)).size, 1);
    t.deepEqual(
      log.map(event => event.position),
      [1, 2],
    );
  }),
);

test(
  'a user’s own trigger on the same row is heard after what set it off',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`
      CREATE FUNCTION follow_up() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN UPDATE tasks SET priority = 'high' WHERE id = NEW.id; RETURN NULL; END $$;
      CREATE TRIGGER audit AFTER UPDATE OF title ON tasks FOR EACH ROW EXECUTE FUNCTION follow_up()`);
    await session.query(`INSERT INTO tasks (title) VALUES ('a'); UPDATE tasks SET title = 'b'`);
    t.deepEqual(brief(await sequence(session)), [
      ['task_created', 'a', 1],
      ['task_updated', 'b', 2],
      ['task_updated', 'b', 3],
    ]);
    t.deepEqual((await session.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

test(
  'twenty thousand rows changed after one in the same session are twenty thousand events',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`INSERT INTO tasks (title) SELECT n::text FROM generate_series(1, 20000) AS n`);
    await session.query(`UPDATE tasks SET priority = 'low' WHERE title = '1'`);
    await sequence(session);
    await session.query(`UPDATE tasks SET priority = 'high'`);
    const log = await sequence(session);
    t.is(log.length, 20000);
    t.is(new Set(log.map(event => event.subject)).size, 20000);
    t.true(log.every(event => event.type === 'task_updated'));
  }),
);

test(
  'a writer that calls itself anything but rest, generator or nats is heard as psql',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    for (const said of ['rest', 'generator', 'nats', 'psql', '', 'REST', ' rest', `"},{'--`]) {
      await session.query(
        `INSERT INTO tasks (title) SELECT 'x' FROM (SELECT set_config('taskwire.origin', $1, true)) AS origin`,
        [said],
      );
    }
    await session.query(`INSERT INTO tasks (title) VALUES ('the setting ended with its transaction')`);
    t.deepEqual(
      (await readLog(session)).map(event => event.origin),
      ['rest', 'generator', 'nats', 'psql', 'psql', 'psql', 'psql', 'psql', 'psql'],
    );
  }),
);

test(
  'a request’s id rides along, at most 200 characters of it, and none is null',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    for (const id of ['é"\\', 'x'.repeat(300), '']) {
      await session.query(`SELECT set_config('taskwire.request_id', $1, false)`, [id]);
      await session.query(`INSERT INTO tasks (title) VALUES ('x')`);
    }
    t.deepEqual(
      (await sequence(session)).map(event => event.requestid),
      ['é"\\', 'x'.repeat(200), null],
    );
  }),
);
