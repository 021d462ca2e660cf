// Rows are spelled without white space. What versions before this one have told keeps its bytes, and means the same.
import test from 'ava';
import type pg from 'pg';
import { hasSpaces, readTexts, tellAsBefore } from '../../helpers/spelling.ts';
import { readLog, readValue, sequence, withDatabase } from '../../helpers/sql.ts';

const verify = async (session: pg.Client) => (await session.query('SELECT * FROM feed.verify()')).rows;

const OWN = `
  CREATE TYPE span AS (at timestamptz, cost numeric, tags text[]);
  CREATE DOMAIN spans AS span[];
  CREATE TABLE own (id integer PRIMARY KEY, "a ""key"" : , of {it}" text, part span, parts spans, grid numeric[],
    big bigint, moments timestamptz[], none span, bits int[], at timestamptz);
  SELECT feed.watch('own', topic => 'own', entity => 'thing')`;
const OWN_ROW = `VALUES (1, E'a " : b, \\\\ [ c ]\\n', ROW('2026-11-23Z', 1.10, '{"x , y",z}'),
  ARRAY[ROW('2026-11-23Z', 2.0, '{}')::span, NULL], '{{1.0,2},{3,NULL}}', 12, '{2026-11-23 00:00:00Z,NULL}', NULL, '{1,2}', NULL)`;

const CHANGES = `
  INSERT INTO tasks (title, description, labels) VALUES ('a : b, "c"', E'd\\n, e : f', '{"g , h","i : j"}');
  UPDATE tasks SET title = 'k , l', labels = '{"m , n"}';
  INSERT INTO currencies (currency, name, rate) VALUES ('USD', 'a : b, c', 83.5173);
  UPDATE currencies SET rate = 84, name = 'd , e';
  INSERT INTO runs (kind) VALUES ('generate');
  UPDATE runs SET status = 'running';
  UPDATE runs SET status = 'succeeded', finished_at = now(),
    rejections = '[{"source": "a : b", "external_id": null, "reason": "c, \\"d\\" "}, {"more": [1, {"e": []}]}]';
  INSERT INTO own ${OWN_ROW};
  UPDATE own SET part = ROW('2026-11-24Z', 3, '{"n , o"}'), parts[1] = ROW('2026-11-23Z', 4, '{"p : q"}'), grid = '{{5,6}}'`;
const DELETIONS = 'DELETE FROM tasks; DELETE FROM currencies; DELETE FROM own';

async function tell(session: pg.Client, statements: string): Promise<void> {
  for (const statement of statements.split(';')) await session.query(statement);
}

test(
  'no event of any topic has white space outside of its strings, and its columns stand in their order',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(OWN);
    await tell(session, CHANGES);
    await tell(session, DELETIONS);
    await sequence(session);
    const events = await readTexts(session);
    t.is(events.length, 12);
    t.is(events.filter(({ previous }) => previous !== null).length, 5);
    for (const { type, data, previous } of events) {
      t.false(hasSpaces(data), `${type}: ${data}`);
      t.false(hasSpaces(previous ?? ''), `${type}: ${previous}`);
    }
    const keysOf = (wanted: string) =>
      Object.keys(JSON.parse(events.find(({ type }) => type === wanted)?.data ?? '{}'));
    t.deepEqual(
      keysOf('task_created').join(' '),
      'id title description status priority due_at labels source external_id created_at updated_at completed_at version',
    );
    t.deepEqual(
      keysOf('currency_created').join(' '),
      'id currency name nominal rate rate_date source timestamp version',
    );
    t.deepEqual(
      keysOf('run_queued').join(' '),
      'id kind status attempt fetched created updated unchanged rejected rejections error queued_at started_at finished_at',
    );
    const own = events.find(({ type }) => type === 'thing_created')?.data;
    t.is(
      own,
      String.raw`{"id":1,"a \"key\" : , of {it}":"a \" : b, \\ [ c ]\n",` +
        '"part":{"at":"2026-11-23T00:00:00.000000Z","cost":"1.10","tags":["x , y","z"]},' +
        '"parts":[{"at":"2026-11-23T00:00:00.000000Z","cost":"2.0","tags":[]},null],"grid":[["1.0","2"],["3",null]],' +
        '"big":"12","moments":["2026-11-23T00:00:00.000000Z",null],"none":null,"bits":[1,2],"at":null}',
    );
    const run = events.find(({ type }) => type === 'run_succeeded')?.data;
    t.true(
      run?.includes(
        String.raw`"rejections":[{"reason":"c, \"d\" ","source":"a : b","external_id":null},{"more":[1,{"e":[]}]}]`,
      ),
      run,
    );
  }),
);

test(
  'a row without values is told with every column, as null',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    for (const table of ['tasks', 'currencies', 'runs'])
      t.regex(
        await readValue<string>(session, `SELECT feed.render(NULL::${table})::text`),
        /^\{("\w+":null,)+"\w+":null\}$/,
      );
  }),
);

test(
  'what stands in a json or jsonb column of a table of one’s own is told as PostgreSQL has it',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`CREATE TABLE papers (id integer PRIMARY KEY, doc json, bin jsonb, docs json[]);
      SELECT feed.watch('papers', 'papers', 'paper');
      INSERT INTO papers VALUES (1, E'{ "a" : [ 1.50,\\n 2 ] }', '{"b":[1,2]}', ARRAY['{ "c" : 1 }'::json])`);
    await sequence(session);
    t.is(
      (await readTexts(session))[0]?.data,
      '{"id":1,"doc":{ "a" : [ 1.50,\n 2 ] },"bin":{"b": [1, 2]},"docs":[{ "c" : 1 }]}',
    );
    await session.query(`UPDATE papers SET doc = '{"a":[1.50,2]}'`); // another text is another value
    await sequence(session);
    t.is((await readTexts(session))[1]?.previous, '{"doc":{ "a" : [ 1.50,\n 2 ] }}');
  }),
);

async function snapshot(session: pg.Client, topic: string, position: number): Promise<unknown[]> {
  const { rows } = await session.query<{ document: string }>(
    'SELECT document FROM feed.snapshot_page($1, $2, NULL, 10)',
    [topic, position],
  );
  return rows.map(({ document }) => JSON.parse(document));
}

test(
  'behind events of a version before, what is the same is no change, and what differs is found',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(OWN);
    await tell(session, CHANGES);
    await sequence(session);
    await tellAsBefore(session);
    const events = await readTexts(session);
    t.true(events.every(({ data }) => hasSpaces(data)));
    t.deepEqual(await verify(session), []);

    await session.query('UPDATE own SET part = part, id = id; UPDATE tasks SET title = title');
    await session.query('UPDATE currencies SET rate = rate');
    t.deepEqual(await sequence(session), []);
    await session.query('UPDATE own SET big = 13');
    const [change] = await sequence(session);
    t.deepEqual(change?.previous, { big: '12' });
    t.deepEqual(await verify(session), []);
    t.deepEqual((await readTexts(session)).slice(0, events.length), events);

    for (const [table, what, said] of [
      ['own', "parts[1].tags = ARRAY['p :  q']", /the table says .*"p : {2}q".*, the log says .*"p : q"/],
      ['own', "grid = '{{56}}'", /the table says .*\[\["56"\]\]/],
      ['tasks', `labels = '{"m ,n"}'`, /the table says .*"m ,n".*, the log says .*"m , n"/],
    ] as const) {
      await session.query(`BEGIN; ALTER TABLE ${table} DISABLE TRIGGER ALL; UPDATE ${table} SET ${what}`);
      const faults = (await verify(session)).filter(({ subject }) => subject !== null);
      await session.query('ROLLBACK');
      t.is(faults.length, 1, what);
      t.regex(faults[0]?.fault ?? '', said);
    }
  }),
);

test(
  'every past state is the same whichever version told it, and a deleted task comes back as it was',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(OWN);
    await tell(session, CHANGES);
    const task = (await session.query('SELECT * FROM tasks')).rows[0];
    await sequence(session);
    await tellAsBefore(session);
    const told = await readLog(session);
    await session.query(`UPDATE own SET big = 14; UPDATE tasks SET title = 'now'`);
    await sequence(session);
    await tell(session, DELETIONS);
    await sequence(session);
    for (const topic of ['tasks', 'own']) {
      for (let position = 0; position <= told.length; position++) {
        const last = told.findLast(event => event.position <= position && event.topic === topic);
        t.deepEqual(
          await snapshot(session, topic, position),
          last ? [last.data] : [],
          `${topic} ${position}`,
        );
      }
    }
    await session.query('SELECT * FROM restore_task($1)', [task.id]);
    t.like((await session.query('SELECT * FROM tasks')).rows[0], { title: 'now', labels: task.labels });
    t.deepEqual(await verify(session), []);
  }),
);
