// feed.watch(): a table becomes a topic, once, or is refused with the reason.
import test from 'ava';
import type pg from 'pg';
import { toEvent } from '../../../src/events.ts';
import { readHead, readRange } from '../../../src/queries/log.ts';
import { readLog, readValue, refusal, sequence, withDatabase } from '../../helpers/sql.ts';

const NOTES = `
  CREATE TABLE notes (key text PRIMARY KEY, body json, state text NOT NULL DEFAULT 'new');
  CREATE FUNCTION feed.render(note notes) RETURNS json LANGUAGE sql STABLE AS 'SELECT to_json(note)'`;
const types = async (session: pg.Client) =>
  (await sequence(session)).map(event => `${event.type} ${event.subject}`);

test(
  'a table of one’s own becomes a topic, whatever its key and whether or not it has versions',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(NOTES);
    await session.query(`SELECT feed.watch('notes', 'notes', 'note', 'key')`);
    await session.query(`INSERT INTO notes VALUES ('a', '{"x": 1}'), ('b', NULL)`);
    await session.query(`UPDATE notes SET body = '{"x": 1}' WHERE key = 'a'`);
    await session.query(`UPDATE notes SET body = '{"x": 2}' WHERE key = 'a'`);
    await session.query(`UPDATE notes SET key = 'c' WHERE key = 'a'`);
    await session.query('TRUNCATE notes');
    t.deepEqual(await types(session), [
      'note_created a',
      'note_created b',
      'note_updated a',
      'note_deleted a',
      'note_created c',
      'note_deleted b',
      'note_deleted c',
    ]);
    t.deepEqual((await session.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

test(
  'of a table with a status, only a change of status is an event',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(NOTES);
    await session.query(`SELECT feed.watch('notes', 'notes', 'note', 'key', 'state')`);
    await session.query(`INSERT INTO notes VALUES ('a', '1')`);
    await session.query(`UPDATE notes SET body = '2'`);
    await session.query(`UPDATE notes SET state = 'old', body = '3'`);
    t.deepEqual(await types(session), ['note_new a', 'note_old a']);
    t.deepEqual((await session.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

test(
  'watching a table again changes nothing; watching it otherwise takes effect',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(NOTES);
    const triggers = `SELECT string_agg(xmin::text, ' ' ORDER BY oid) FROM pg_trigger WHERE tgrelid = 'notes'::regclass`;
    await session.query(`SELECT feed.watch('notes', 'notes', 'note', 'key')`);
    const before = await readValue(session, triggers);
    await session.query(`SELECT feed.watch('notes', 'notes', 'note', 'key')`);
    t.is(await readValue(session, triggers), before);
    await session.query(`SELECT feed.watch('notes', 'notes', 'memo', 'key')`);
    await session.query(`INSERT INTO notes VALUES ('a')`);
    t.deepEqual(await types(session), ['memo_created a']);
  }),
);

test(
  'a table that could not be heard or told in full is refused, with the reason',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`
      ${NOTES};
      CREATE TABLE bare (id uuid);
      CREATE TABLE pairs (id uuid, other uuid, PRIMARY KEY (id, other));
      CREATE TABLE swapped (id uuid PRIMARY KEY DEFERRABLE);
      CREATE TABLE listed (id integer[] PRIMARY KEY);
      CREATE UNLOGGED TABLE fleeting (id uuid PRIMARY KEY);
      CREATE TABLE parts (id uuid PRIMARY KEY) PARTITION BY HASH (id);
      CREATE TABLE part PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
      CREATE TABLE parent (id uuid PRIMARY KEY);
      CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
      CREATE VIEW seen AS SELECT * FROM notes`);
    for (const [table, reason] of [
      ['notes', /primary key is not the column id$/],
      ['bare', /primary key is not the column id$/],
      ['pairs', /primary key is not the column id$/],
      ['listed', /its key is of the type integer\[\], which is no single value$/],
      ['swapped', /its primary key is deferrable/],
      ['feed.topics', /belongs to the log itself$/],
      ['fleeting', /do not outlive a crash/],
      ['parts', /no ordinary table$/],
      ['part', /no ordinary table$/],
      ['parent', /inherits/],
      ['child', /inherits/],
      ['seen', /no ordinary table$/],
    ] as const) {
      const fault = await refusal(session.query(`SELECT feed.watch('${table}', 'x', 'x')`));
      t.is(fault.code, '55000', table);
      t.regex(fault.message, reason, table);
    }
    t.is(await readValue(session, `SELECT count(*)::integer FROM feed.topics WHERE topic = 'x'`), 0);
  }),
);

test(
  'a table that the log’s owner may not read, or not all of it, is refused',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const owner = `log_owner_${process.pid}`;
    const fault = () => readValue(session, `SELECT feed.unwatchable('notes', 'key')`);
    await session.query(`${NOTES}; CREATE ROLE ${owner}; ALTER FUNCTION feed.capture() OWNER TO ${owner}`);
    t.is(await fault(), `${owner}, who owns the log, may not read it`);
    await session.query(`GRANT SELECT ON notes TO ${owner}`);
    t.is(await fault(), null);
    await session.query('ALTER TABLE notes ENABLE ROW LEVEL SECURITY');
    t.is(await fault(), `its row security may hide rows from ${owner}, who owns the log`);
    await session.query(`ALTER TABLE notes OWNER TO ${owner}`);
    t.is(await fault(), null);
    await session.query('ALTER TABLE notes FORCE ROW LEVEL SECURITY');
    t.is(await fault(), `its row security may hide rows from ${owner}, who owns the log`);
    await session.query(`DROP OWNED BY ${owner} CASCADE; DROP ROLE ${owner}`);
  }),
);

test(
  'a key that is too long for the log is refused to its writer, and the log goes on',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`CREATE TABLE blobs (key bytea PRIMARY KEY, created_at text);
      CREATE FUNCTION feed.render(blob public.blobs) RETURNS json LANGUAGE sql STABLE AS $$ SELECT row_to_json(blob) $$;
      SELECT feed.watch('blobs', 'blobs', 'blob', 'key')`);
    const bytes = `(SELECT string_agg(uuid_send(gen_random_uuid()), '') FROM generate_series(1, 100))`;
    const insert = (length: number) =>
      session.query(
        `INSERT INTO blobs SELECT substr(b, 1, $1), repeat(b::text, 10) FROM ${bytes} AS made (b)`,
        [length],
      );
    const { code, constraint } = await refusal(insert(500));
    t.deepEqual([code, constraint], ['23514', 'staged_subject_length']);
    await insert(499);
    t.is((await sequence(session)).length, 1);
  }),
);

test(
  'a status that is called deleted, or is very long, says nothing of the row: it is there',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`
      CREATE TABLE orders (id integer PRIMARY KEY, state text NOT NULL);
      INSERT INTO orders VALUES (1, 'deleted');
      SELECT feed.watch('orders', topic => 'orders', entity => 'order', status_column => 'state');
      UPDATE orders SET state = 'paid';
      UPDATE orders SET state = 'deleted';
      UPDATE orders SET state = repeat('x', 64);
      UPDATE orders SET state = 'created'`);
    const log = await readLog(session);
    t.deepEqual(
      log.map(({ type }) => type),
      ['order_created', 'order_paid', 'order_updated', 'order_updated', 'order_updated'],
    );
    t.deepEqual((await session.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

test(
  'a table’s columns may be called anything: it is watched, told, verified and emptied all the same',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`
      CREATE TABLE odd (id integer PRIMARY KEY, t text, r text, w text, row text, "row 1" text);
      INSERT INTO odd VALUES (1, 'first');
      SELECT feed.watch('odd', topic => 'odd', entity => 'thing');
      INSERT INTO odd VALUES (2, 'second')`);
    const log = await readLog(session);
    t.deepEqual(
      log.map(({ data }) => data.t),
      ['first', 'second'],
    );
    const page = await session.query(`SELECT subject FROM feed.snapshot_page('odd', 2, NULL, 10)`);
    t.deepEqual(page.rows, [{ subject: '1' }, { subject: '2' }]);
    t.deepEqual((await session.query('SELECT * FROM feed.verify()')).rows, []);
    await session.query('TRUNCATE odd');
    t.is((await readLog(session)).length, 4);
  }),
);

test(
  'the service’s own topics cannot be ended',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    for (const topic of ['tasks', 'currencies', 'runs']) {
      t.is((await refusal(session.query('SELECT feed.unwatch($1)', [topic]))).code, '55000');
    }
  }),
);

test(
  'a status column must be there, and a table whose status has another name takes no change until it is watched by that',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const watch = (status: string) =>
      session.query(`SELECT feed.watch('notes', 'notes', 'note', 'key', '${status}')`);
    await session.query(NOTES);
    t.regex((await refusal(watch('mood'))).message, /notes cannot be watched: it has no column mood$/);
    await watch('state');
    await session.query(`INSERT INTO notes VALUES ('a'); ALTER TABLE notes RENAME state TO mood`);
    for (const statement of [`INSERT INTO notes VALUES ('b')`, `UPDATE notes SET body = '1'`]) {
      const { code, message } = await refusal(session.query(statement));
      t.is(code, '55000');
      t.is(message, 'public.notes is watched, and what is told of a row has no state any more');
    }
    await watch('mood');
    await session.query(`UPDATE notes SET body = '1'; UPDATE notes SET mood = 'old'`);
    t.deepEqual(await types(session), ['note_new a', 'note_old a']);
  }),
);

test(
  'a topic, an entity or a table that is taken is named, and by which table',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`${NOTES}; CREATE TABLE memos (key text PRIMARY KEY);
      SELECT feed.watch('notes', 'notes', 'note', 'key')`);
    const refused = (table: string, topic: string | null, entity: string) =>
      refusal(session.query('SELECT feed.watch($1, $2, $3, $4)', [table, topic, entity, 'key']));
    for (const [table, topic, entity, reason] of [
      ['memos', 'notes', 'memo', /memos cannot be watched: the topic notes is that of public\.notes$/],
      ['memos', 'memos', 'note', /: the entity note is that of public\.notes, the topic notes$/],
      [
        'notes',
        'memos',
        'memo',
        /: it is the topic notes already; SELECT feed\.unwatch\('notes'\) ends that$/,
      ],
      ['memos', 'My memos', 'memo', /: topic and entity are up to 63 of a-z, .* 'My memos' and 'memo'$/],
      ['memos', null, 'memo', /: topic and entity are .* NULL and 'memo'$/],
    ] as const) {
      const { code, message } = await refused(table, topic, entity);
      t.is(code, '55000', message);
      t.regex(message, reason);
    }
    await session.query('DROP TABLE notes CASCADE');
    t.regex(
      (await refused('memos', 'memos', 'note')).message,
      /the entity note is that of the topic notes, whose table was dropped; SELECT feed\.unwatch\('notes'\)/,
    );
    await session.query(`SELECT feed.watch('memos', 'notes', 'note', 'key')`);
  }),
);

test(
  'a watched table that has lost its primary key is named, and is no snapshot, until it has one again',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(
      `${NOTES}; SELECT feed.watch('notes', 'notes', 'note', 'key'); INSERT INTO notes VALUES ('a')`,
    );
    const fault = async () => (await session.query('SELECT topic, subject, fault FROM feed.verify()')).rows;
    const read = () => session.query(`SELECT * FROM feed.snapshot_page('notes', 0, NULL, 10)`);
    for (const change of [
      'DROP CONSTRAINT notes_pkey',
      'DROP CONSTRAINT notes_pkey, ADD PRIMARY KEY (key, state)',
      'RENAME key TO name',
    ]) {
      await session.query(`BEGIN; ALTER TABLE notes ${change}`);
      t.is(
        (await fault()).filter(row =>
          /notes cannot be told in full any more: its primary key/.test(row.fault),
        ).length,
        1,
        change,
      );
      t.regex((await refusal(read())).message, /primary key of public\.notes is not the column key any more/);
      await session.query('ROLLBACK');
    }
    await session.query(
      'BEGIN; ALTER TABLE notes DROP CONSTRAINT notes_pkey; ALTER TABLE notes ADD PRIMARY KEY (key); COMMIT',
    );
    await session.query(`INSERT INTO notes VALUES ('b')`);
    t.deepEqual(await types(session), ['note_created a', 'note_created b']);
    t.deepEqual(await fault(), []);
  }),
);

test(
  'a watched table whose key column was renamed takes no change until it is watched again',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(
      `${NOTES}; SELECT feed.watch('notes', 'notes', 'note', 'key'); INSERT INTO notes VALUES ('a');
       ALTER TABLE notes RENAME key TO name`,
    );
    for (const statement of [
      `INSERT INTO notes VALUES ('d')`,
      `UPDATE notes SET body = '1'`,
      `UPDATE notes SET name = 'b' WHERE name = 'a'`,
      'DELETE FROM notes',
      'TRUNCATE notes',
    ])
      t.regex(
        (await refusal(session.query(statement))).message,
        /^a row of the topic notes is told without its key$/,
      );
    await session.query(`SELECT feed.watch('notes', 'notes', 'note', 'name'); UPDATE notes SET body = '1'`);
    t.deepEqual(await types(session), ['note_created a', 'note_updated a']);
  }),
);

for (const numbered of ['by the sequencer', 'by feed.new_log()']) {
  test(
    `the entity of an event that is numbered ${numbered} is the one that was watched, also of a status with underscores`,
    withDatabase(async (t, database) => {
      const session = await database.psql();
      await session.query(`
        CREATE TABLE jobs (id integer PRIMARY KEY, state text);
        SELECT feed.watch('jobs', 'jobs', 'print_job', status_column => 'state');
        INSERT INTO jobs VALUES (1, 'in_progress'); UPDATE jobs SET state = 'half_deleted'`);
      if (numbered === 'by the sequencer') await sequence(session);
      else await session.query('SELECT feed.new_log()');
      const { log, head } = await readHead(database.pool);
      const told = (await readRange(database.pool, log, 0, head)).map(row => JSON.parse(toEvent(row).json));
      t.deepEqual(
        told.map(({ type, data }) => [type, data]),
        [
          ['print_job_in_progress', { print_job: { id: 1, state: 'in_progress' } }],
          // What ends like a deletion is none: the row is there.
          [
            'print_job_updated',
            { print_job: { id: 1, state: 'half_deleted' }, previous: { state: 'in_progress' } },
          ],
        ],
      );
      const snapshot = `SELECT document FROM feed.snapshot_page('jobs', 2, NULL, 10)`;
      t.deepEqual(JSON.parse(String(await readValue(session, snapshot))), { id: 1, state: 'half_deleted' });
    }),
  );
}
