// How the log spells the rows of a table that brought no feed.render() of its own.
import test from 'ava';
import type pg from 'pg';
import { readLog, readValue, refusal, sequence, withDatabase } from '../../helpers/sql.ts';

type Told = Record<string, unknown>;

const verify = async (session: pg.Client) => (await session.query('SELECT * FROM feed.verify()')).rows;
const snapshot = async (session: pg.Client, topic: string) =>
  (
    await session.query(
      `SELECT document::json FROM feed.snapshot_page($1, (SELECT max(last_position) FROM feed.event_batches), NULL, 100)`,
      [topic],
    )
  ).rows.map((row): Told => row.document);

const EVERY_TYPE = `
  CREATE TYPE mood AS ENUM ('glad', 'sad');
  CREATE DOMAIN price AS numeric(10, 2);
  CREATE TYPE span AS (at timestamptz, cost numeric);
  CREATE TABLE things (
    id integer PRIMARY KEY, at timestamptz, local timestamp, day date, hour time, amount numeric, cost price, whole bigint,
    ratio double precision, ok boolean, raw bytea, feeling mood, took interval, doc json, bin jsonb, part span,
    amounts numeric[], moments timestamptz[], grid numeric[], parts span[], feelings mood[], who uuid, of regclass,
    doubled integer GENERATED ALWAYS AS (id * 2) STORED);
  SELECT feed.watch('things', 'things', 'thing')`;

const ONE = `INSERT INTO things VALUES (
  1, '2026-11-23 08:38:12.5+03', '2026-11-23 08:38:12.5', '2026-11-23', '08:38:12.5', 5.00, 7.1, 9007199254740993,
  0.1, true, '\\x00ff', 'glad', '1 day 2 hours', E'{"b": 1.50,\\n "b": 2}', '{"z": 1.50}', ROW('2026-11-23Z', 1.10),
  '{1.0,NULL}', '{2026-11-23 00:00:00Z}', '{{1.0,2},{3,NULL}}', ARRAY[ROW('2026-11-23Z', 2.0)::span], '{glad,sad}',
  '0198c0de-0000-7000-8000-000000000001', 'feed.events')`;

const TOLD = {
  id: 1,
  at: '2026-11-23T05:38:12.500000Z',
  local: '2026-11-23T08:38:12.500000',
  day: '2026-11-23',
  hour: '08:38:12.5',
  amount: '5.00',
  cost: '7.10',
  ratio: 0.1,
  ok: true,
  raw: '\\x00ff',
  feeling: 'glad',
  took: 'P1DT2H',
  bin: { z: 1.5 },
  part: { at: '2026-11-23T00:00:00.000000Z', cost: '1.10' },
  amounts: ['1.0', null],
  moments: ['2026-11-23T00:00:00.000000Z'],
  grid: [
    ['1.0', '2'],
    ['3', null],
  ],
  parts: [{ at: '2026-11-23T00:00:00.000000Z', cost: '2.0' }],
  feelings: ['glad', 'sad'],
  who: '0198c0de-0000-7000-8000-000000000001',
  of: 'feed.events',
  whole: '9007199254740993',
  doubled: 2,
};

test(
  'every type is told in one spelling, whatever the writer’s session is set to',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(EVERY_TYPE);
    await session.query(`SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET IntervalStyle = 'sql_standard';
      SET bytea_output = 'escape'; SET extra_float_digits = 0; SET quote_all_identifiers = on`);
    await session.query(ONE);
    await session.query('INSERT INTO things (id) VALUES (2)');
    const [first, second] = await sequence(session);
    t.like(first?.data, TOLD);
    t.true(
      Object.entries(second?.data ?? {}).every(
        ([name, value]) => ['id', 'doubled'].includes(name) || value === null,
      ),
    );
    // What a parser would lose: the text itself.
    const text = await readValue<string>(
      session,
      `SELECT data::text FROM feed.events ORDER BY position LIMIT 1`,
    );
    t.true(text.includes('"9007199254740993"'));
    t.true(text.includes('{"b": 1.50,\n "b": 2}'));
    t.deepEqual(await verify(session), []);
    t.deepEqual(await snapshot(session, 'things'), [first?.data, second?.data]);
  }),
);

test(
  'no setting of a writer that spells values is left to the writer',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const settings = await readValue<string[]>(
      session,
      `SELECT array_agg(split_part(setting, '=', 1) ORDER BY setting COLLATE "C")
       FROM pg_proc, unnest(proconfig) AS setting WHERE oid = 'feed.render(anyelement)'::regprocedure`,
    );
    t.deepEqual(
      settings.map(name => name.toLowerCase()),
      ['DateStyle', 'IntervalStyle', 'TimeZone', 'bytea_output', 'extra_float_digits', 'lc_monetary']
        .concat('quote_all_identifiers', 'search_path', 'xmlbinary')
        .map(name => name.toLowerCase()),
    );
  }),
);

test(
  'JSON that PostgreSQL takes and cannot read is told, numbered and found in a snapshot',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`CREATE TABLE papers (id integer PRIMARY KEY, doc json);
      SELECT feed.watch('papers', 'papers', 'paper')`);
    const told: [stored: string, read: unknown][] = [
      [String.raw`{"a": "x\u0000\u0000y"}`, { a: String.raw`x\u0000\u0000y` }],
      [String.raw`{"a\u0000": 1}`, { 'a\\u0000': 1 }],
      [String.raw`["\ud83d", "\udE00 \ud83d\ude00"]`, [String.raw`\ud83d`, String.raw`\udE00 😀`]],
      [String.raw`["\ud83d\ud83d\ude00\ude00"]`, [String.raw`\ud83d😀\ude00`]],
      [String.raw`["\\u0000", "\\\u0000"]`, [String.raw`\u0000`, String.raw`\\u0000`]],
      [String.raw`["\\ud83d\ude00"]`, [String.raw`\ud83d\ude00`]],
    ];
    for (const [index, [stored]] of told.entries())
      await session.query('INSERT INTO papers VALUES ($1, $2)', [index, stored]);
    await session.query('UPDATE papers SET doc = doc::text::json, id = id');
    const events = await sequence(session);
    t.deepEqual(
      events.map(event => event.data.doc),
      told.map(([, read]) => read),
    );
    await session.query(`UPDATE papers SET doc = '{}' WHERE id = 0`);
    t.deepEqual((await sequence(session))[0]?.previous, { doc: told[0]?.[1] });
    t.deepEqual(await verify(session), []);
    t.is((await snapshot(session, 'papers')).length, told.length);
    await session.query('TRUNCATE papers');
    t.is((await sequence(session)).length, told.length);
  }),
);

test(
  'the log knows what a row is called whose status has an underscore, and tells no change of no status',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`CREATE TABLE jobs (id integer PRIMARY KEY, state text, note text);
      INSERT INTO jobs VALUES (1, 'not_begun');
      SELECT feed.watch('jobs', 'jobs', 'night_job', status_column => 'state');
      UPDATE jobs SET state = 'in_progress'; UPDATE jobs SET state = 'done';
      UPDATE jobs SET state = NULL; UPDATE jobs SET note = 'x'; DELETE FROM jobs`);
    await sequence(session);
    const { rows } = await session.query('SELECT type, entity FROM feed.events ORDER BY position');
    t.deepEqual(
      rows.map(row => [row.type, row.entity]),
      [
        ['night_job_not_begun', 'night_job'],
        ['night_job_in_progress', 'night_job'],
        ['night_job_done', null],
        ['night_job_updated', null],
        ['night_job_deleted', null],
      ],
    );
  }),
);

test(
  'a key whose JSON cannot be read back is refused',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(
      'CREATE TABLE odd (id jsonb PRIMARY KEY); CREATE DOMAIN doc AS jsonb; CREATE TABLE odder (id doc PRIMARY KEY)',
    );
    for (const table of ['odd', 'odder']) {
      const { message } = await refusal(
        session.query(`SELECT feed.watch('${table}', '${table}', '${table}')`),
      );
      t.regex(message, /cannot be read back as a key/);
    }
  }),
);

test(
  'what has no RFC 3339 keeps PostgreSQL’s spelling, and what is no number is a string',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(EVERY_TYPE);
    await session.query(`INSERT INTO things (id, at, local, day, amount, ratio) VALUES
      (1, 'infinity', '-infinity', 'infinity', 'NaN', 'Infinity'), (2, '0044-03-15 12:00:00+00 BC', NULL, NULL, 1e30, NULL)`);
    const [first, second] = await sequence(session);
    t.like(first?.data, {
      at: 'infinity',
      local: '-infinity',
      day: 'infinity',
      amount: 'NaN',
      ratio: 'Infinity',
    });
    t.like(second?.data, { at: '0044-03-15T12:00:00+00:00 BC', amount: `1${'0'.repeat(30)}` });
    t.deepEqual(await verify(session), []);
  }),
);

test(
  'columns that come and go later are told from then on, and the log still agrees with the table',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`CREATE TABLE notes (id text PRIMARY KEY, body text, gone text);
      SELECT feed.watch('notes', 'notes', 'note');
      INSERT INTO notes VALUES ('a', 'x', 'y'), ('b', 'x', 'y')`);
    await session.query(`ALTER TABLE notes ADD COLUMN price numeric DEFAULT 1.50, DROP COLUMN gone`);
    await session.query(`ALTER TABLE notes RENAME COLUMN body TO content`);
    t.deepEqual(await verify(session), []);
    await session.query(`UPDATE notes SET price = 2 WHERE id = 'a'`);
    const updated = (await sequence(session)).at(-1);
    t.deepEqual(updated?.data, { id: 'a', content: 'x', price: '2' });
    t.deepEqual(updated?.previous, { price: '1.50' });
    t.deepEqual(await verify(session), []);
    t.deepEqual(await snapshot(session, 'notes'), [
      { id: 'a', content: 'x', price: '2' },
      { id: 'b', content: 'x', price: '1.50' },
    ]);
    await session.query(
      `ALTER TABLE notes DISABLE TRIGGER ALL; UPDATE notes SET content = 'z' WHERE id = 'a'`,
    );
    t.deepEqual(
      (await verify(session)).map(({ subject }) => subject),
      ['a', null, null], // the row, and the two triggers that are disabled
    );
  }),
);

test(
  'a virtual generated column, which no trigger sees, is left out',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    if (Number(await readValue(session, 'SHOW server_version_num')) < 180_000)
      return void t.pass('there are none before PostgreSQL 18');
    await session.query(`CREATE TABLE boxes (id integer PRIMARY KEY, area integer GENERATED ALWAYS AS (id * id) VIRTUAL);
      SELECT feed.watch('boxes', 'boxes', 'box'); INSERT INTO boxes VALUES (3)`);
    t.deepEqual((await sequence(session))[0]?.data, { id: 3 });
    t.deepEqual(await verify(session), []);
  }),
);

test(
  'a row is found again by its key, whatever its type',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const keys = {
      numeric: ['1.50', '20'],
      timestamptz: ['2026-11-23T05:38:12.500000Z', 'infinity'],
      bytea: ['\\x00', '\\xff'],
      date: ['2026-11-23', '2026-11-24'],
      boolean: ['false', 'true'],
      'character(3)': ['a  ', 'b  '],
      interval: ['P1D', 'P2D'],
      'double precision': ['0.1', '1e+300'],
      bigint: ['-9007199254740993', '9007199254740993'],
      money: ['$1.00', '$20.00'],
      int4range: ['[1,2)', '[2,3)'],
    };
    for (const [type, [first, second]] of Object.entries(keys)) {
      const table = type.replaceAll(/\W/g, '_');
      await session.query(`CREATE TABLE "k_${table}" (id ${type} PRIMARY KEY);
        SELECT feed.watch('"k_${table}"', 'k_${table}', 'k_${table}');
        INSERT INTO "k_${table}" VALUES ('${first}'), ('${second}');`);
      t.deepEqual(
        (await sequence(session)).map(event => event.subject),
        [first, second],
        type,
      );
      await session.query(`DELETE FROM "k_${table}" WHERE id = '${second}'`);
      const pages = await session.query(
        `SELECT subject FROM feed.snapshot_page('k_${table}', (SELECT max(last_position) FROM feed.event_batches), NULL, 1)
         UNION ALL SELECT subject FROM feed.snapshot_page('k_${table}', (SELECT max(last_position) FROM feed.event_batches), $1, 1)`,
        [first],
      );
      t.deepEqual(
        pages.rows.map(row => row.subject),
        [first, second],
        type,
      );
      await sequence(session);
    }
    t.deepEqual(await verify(session), []);
  }),
);

test(
  'rows that were there before are told as created by the call, and agree with the log',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`CREATE TABLE notes (id integer PRIMARY KEY, state text);
      INSERT INTO notes SELECT n, 'new' FROM generate_series(1, 3) AS n;
      SELECT feed.watch('notes', 'notes', 'note')`);
    t.deepEqual(
      (await sequence(session)).map(event => `${event.type} ${event.subject}`),
      ['note_created 1', 'note_created 2', 'note_created 3'],
    );
    t.deepEqual(await verify(session), []);
    await session.query(`SELECT feed.watch('notes', 'notes', 'note')`);
    t.deepEqual(await sequence(session), []);
  }),
);

test(
  'a table that is written while it becomes a topic is told whole: each row is either there already or an event',
  withDatabase(async (t, database) => {
    const [writer, watcher] = [await database.psql(), await database.psql()];
    await watcher.query('CREATE TABLE notes (id integer PRIMARY KEY)');
    let watching = true;
    const writing = (async () => {
      for (let id = 0; watching || id < 50; id++) await writer.query('INSERT INTO notes VALUES ($1)', [id]);
    })();
    await watcher.query(`SELECT feed.watch('notes', 'notes', 'note')`);
    watching = false;
    await writing;
    const log = await readLog(watcher);
    t.is(log.length, Number(await readValue(watcher, 'SELECT count(*) FROM notes')));
    t.deepEqual(await verify(watcher), []);
  }),
);

test(
  'a topic ends with its entities: unwatched, they are told as deleted, and the table is free',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const told = async () => (await sequence(session)).map(event => `${event.type} ${event.subject}`);
    await session.query(`CREATE TABLE notes (id integer PRIMARY KEY);
      SELECT feed.watch('notes', 'notes', 'note'); INSERT INTO notes VALUES (1), (2)`);
    await sequence(session);
    await session.query('DELETE FROM notes WHERE id = 2; INSERT INTO notes VALUES (3)');
    await session.query(`SELECT feed.unwatch('notes')`);
    await session.query('INSERT INTO notes VALUES (4)');
    t.deepEqual(await told(), ['note_deleted 2', 'note_created 3', 'note_deleted 1', 'note_deleted 3']);
    t.deepEqual(await verify(session), []);
    await session.query(`SELECT feed.watch('notes', 'notes', 'note')`);
    t.deepEqual(await told(), ['note_created 1', 'note_created 3', 'note_created 4']);
    t.deepEqual(await verify(session), []);
    t.regex((await refusal(session.query(`SELECT feed.unwatch('nothing')`))).message, /no topic nothing/);
  }),
);

test(
  'a table that is dropped takes nothing else with it, and another one may take its topic',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const make = `CREATE TABLE notes (id integer PRIMARY KEY); INSERT INTO notes VALUES (7)`;
    await session.query(`${make}; SELECT feed.watch('notes', 'notes', 'note')`);
    t.regex(
      (
        await refusal(
          session.query(
            `CREATE TABLE others (id integer PRIMARY KEY); SELECT feed.watch('others', 'notes', 'other')`,
          ),
        )
      ).message,
      /the topic notes is that of public\.notes$/,
    );
    await session.query('DROP TABLE notes');
    t.deepEqual(await verify(session), []);
    t.deepEqual(await snapshot(session, 'notes'), []);
    await session.query(`${make}; SELECT feed.watch('notes', 'notes', 'note')`);
    t.deepEqual(
      (await sequence(session)).map(event => event.type),
      ['note_created', 'note_deleted', 'note_created'],
    );
    t.deepEqual(await verify(session), []);
  }),
);

test(
  'a table may call anything a version: it is told, and nothing is counted by it',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`CREATE TABLE apps (id integer PRIMARY KEY, version text);
      SELECT feed.watch('apps', 'apps', 'app');
      INSERT INTO apps VALUES (1, 'v1.2-rc'); UPDATE apps SET version = 'v9'; DELETE FROM apps`);
    t.is((await sequence(session)).length, 3);
    t.deepEqual(await verify(session), []);
  }),
);

test(
  'a type’s own cast to json, which would run with the rights of the log’s owner, is refused',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const stranger = `type_owner_${process.pid}`;
    await session.query(`CREATE ROLE ${stranger}; CREATE SCHEMA theirs AUTHORIZATION ${stranger}; SET ROLE ${stranger};
      CREATE TYPE theirs.mood AS ENUM ('glad');
      CREATE FUNCTION theirs.tell(theirs.mood) RETURNS json LANGUAGE plpgsql
        AS $$ BEGIN RAISE 'run as %', current_user; END $$;
      CREATE CAST (theirs.mood AS json) WITH FUNCTION theirs.tell(theirs.mood);
      RESET ROLE;
      CREATE TABLE moods (id integer PRIMARY KEY, feelings theirs.mood[]);
      SELECT feed.watch('moods', 'moods', 'mood')`);
    const { code, message } = await refusal(session.query(`INSERT INTO moods VALUES (1, '{glad}')`));
    t.is(code, '42501');
    t.regex(message, /cast of theirs\.mood to json is another role's/);
    await session.query(`INSERT INTO tasks (title) VALUES ('x')`);
    await session.query('DROP TABLE moods');
    await session.query(`DROP SCHEMA theirs CASCADE; DROP ROLE ${stranger}`);
  }),
);

test(
  'a role that owns a table but not the log cannot watch it, nor can the log’s owner one that it may not read',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const stranger = `table_owner_${process.pid}`;
    await session.query(`CREATE ROLE ${stranger}; CREATE SCHEMA mine AUTHORIZATION ${stranger}; SET ROLE ${stranger};
      CREATE TABLE mine.notes (id integer PRIMARY KEY)`);
    t.is((await refusal(session.query(`SELECT feed.watch('mine.notes', 'notes', 'note')`))).code, '42501');
    await session.query('RESET ROLE');
    await session.query(`SELECT feed.watch('mine.notes', 'notes', 'note')`); // the owner is a superuser here
    await session.query(`SET ROLE ${stranger}; INSERT INTO mine.notes VALUES (1); RESET ROLE`);
    t.deepEqual(
      (await sequence(session)).map(event => event.type),
      ['note_created'],
    );
    await session.query(`DROP SCHEMA mine CASCADE; DROP ROLE ${stranger}`);
  }),
);
