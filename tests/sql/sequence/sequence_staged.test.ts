// Positions: given after the commit, dense, and to nobody who has to wait for somebody else.
import test from 'ava';
import type pg from 'pg';
import { readValue, refusal, sequence, withDatabase } from '../../helpers/sql.ts';

const insert = (title: string) => `INSERT INTO tasks (title) VALUES ('${title}')`;
const titles = async (session: pg.Client) => (await sequence(session)).map(event => event.data.title);

test(
  'an open transaction holds up nobody but itself',
  withDatabase(async (t, database) => {
    const [leader, idle, open, other] = [
      await database.psql(),
      await database.psql(),
      await database.psql(),
      await database.psql(),
    ];
    await idle.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM tasks');
    await open.query(`BEGIN; ${insert('open')}`);
    for (const title of ['a', 'b', 'c']) {
      await other.query(insert(title));
      t.deepEqual(await titles(leader), [title]);
    }
    await open.query(`${insert('still open')}; COMMIT`);
    t.deepEqual(await titles(leader), ['open', 'still open']);
    t.deepEqual(await titles(leader), []);
    t.is(
      await readValue(leader, `SELECT string_agg(position::text, ' ' ORDER BY position) FROM feed.events`),
      '1 2 3 4 5',
    );
  }),
);

test(
  'a change of a row follows the change it was made upon, though its transaction began first',
  withDatabase(async (t, database) => {
    const [leader, a, b] = [await database.psql(), await database.psql(), await database.psql()];
    await a.query(insert('theirs'));
    await sequence(leader);
    await a.query(`BEGIN; ${insert('first of A')}`);
    await b.query(
      `BEGIN; ${insert('first of B')}; UPDATE tasks SET title = 'by B' WHERE title = 'theirs'; COMMIT`,
    );
    await a.query(`UPDATE tasks SET title = 'by A' WHERE title = 'by B'; COMMIT`);
    t.deepEqual(await titles(leader), ['first of B', 'by B', 'first of A', 'by A']);
  }),
);

test(
  'the events of one transaction stand together, whatever others did in between',
  withDatabase(async (t, database) => {
    const [leader, a, b] = [await database.psql(), await database.psql(), await database.psql()];
    await a.query(`BEGIN; ${insert('A1')}`);
    await b.query(`BEGIN; ${insert('B1')}`);
    await a.query(insert('A2'));
    await b.query(`${insert('B2')}; COMMIT`);
    await a.query('COMMIT');
    t.deepEqual(await titles(leader), ['A1', 'A2', 'B1', 'B2']);
  }),
);

test(
  'a transaction that was prepared is numbered when it is committed, and never when it is not',
  withDatabase(async (t, database) => {
    const [leader, writer] = [await database.psql(), await database.psql()];
    if ((await readValue(leader, 'SHOW max_prepared_transactions')) === '0') {
      const fault = await refusal(writer.query(`BEGIN; ${insert('x')}; PREPARE TRANSACTION 'x'`));
      t.is(fault.code, '55000');
      return;
    }
    const name = await readValue<string>(leader, 'SELECT current_database()');
    await writer.query(`BEGIN; ${insert('kept')}; PREPARE TRANSACTION '${name}1'`);
    await writer.query(`BEGIN; ${insert('dropped')}; PREPARE TRANSACTION '${name}2'`);
    await writer.query(insert('meanwhile'));
    t.deepEqual(await titles(leader), ['meanwhile']);
    await writer.query(`COMMIT PREPARED '${name}1'`);
    await writer.query(`ROLLBACK PREPARED '${name}2'`);
    t.deepEqual(await titles(leader), ['kept']);
  }),
);

test(
  'only the first of a big batch are returned, and all are numbered and told',
  withDatabase(async (t, database) => {
    const [leader, listener] = [await database.psql(), await database.psql()];
    await listener.query(`LISTEN ${await readValue(leader, `SELECT feed.channel('events')`)}`);
    const told = new Promise<string | undefined>(resolve =>
      listener.on('notification', ({ payload }) => resolve(payload)),
    );
    await leader.query(`INSERT INTO tasks (title) SELECT n::text FROM generate_series(1, 1000) AS n`);
    const { rows } = await leader.query('SELECT * FROM feed.sequence_staged(2)');
    t.deepEqual(
      rows.map(row => [row.position, JSON.parse(row.data).title, row.last_position]),
      [
        ['1', '1', '1000'],
        ['2', '2', '1000'],
      ],
    );
    t.deepEqual(JSON.parse((await told) ?? ''), { first: 1, last: 1000 });
    t.is(await readValue(leader, 'SELECT count(*)::integer FROM feed.events'), 1000);
  }),
);

test(
  'a look that finds nothing writes nothing, beside an open transaction either',
  withDatabase(async (t, database) => {
    const [leader, open] = [await database.psql(), await database.psql()];
    await open.query(`BEGIN; ${insert('open')}`);
    await leader.query(insert('x'));
    await sequence(leader);
    await sequence(leader);
    const batches = await readValue(leader, 'SELECT count(*)::integer FROM feed.event_batches');
    const written = await walOf(leader);
    for (let look = 0; look < 20; look++) {
      await leader.query('BEGIN');
      t.deepEqual(await sequence(leader), []);
      t.is(await readValue(leader, 'SELECT pg_current_xact_id_if_assigned()'), null);
      await leader.query('COMMIT');
    }
    t.is(await walOf(leader), written);
    t.is(await readValue(leader, 'SELECT count(*)::integer FROM feed.event_batches'), batches);
  }),
);

// The server's WAL position moves with every other test; a session's own share of it is known since PostgreSQL 18.
async function walOf(session: pg.Client): Promise<string> {
  const known = await readValue(session, `SELECT to_regproc('pg_stat_get_backend_wal') IS NOT NULL`);
  if (!known) return 'unknown';
  await session.query('SELECT pg_stat_force_next_flush()');
  return readValue(session, 'SELECT wal_bytes::text FROM pg_stat_get_backend_wal(pg_backend_pid())');
}

test(
  'a look reads what is new and not what is kept, beside an open transaction either',
  withDatabase(async (t, database) => {
    const [leader, open] = [await database.psql(), await database.psql()];
    await leader.query(`INSERT INTO tasks (title) SELECT 'x' FROM generate_series(1, 5000)`);
    await leader.query('ANALYZE feed.staged');
    await open.query(`BEGIN; ${insert('open')}`);
    await sequence(leader);
    await leader.query(insert('x'));
    await sequence(leader);
    const before = await rowsRead(leader);
    for (let look = 0; look < 10; look++) await sequence(leader);
    t.true((await rowsRead(leader)) - before < 1000);
  }),
);

async function rowsRead(session: pg.Client): Promise<number> {
  await session.query('SELECT pg_stat_force_next_flush()');
  return readValue(
    session,
    `SELECT (seq_tup_read + idx_tup_fetch + (SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'staged_pkey'))::integer
     FROM pg_stat_user_tables WHERE relid = 'feed.staged'::regclass`,
  );
}
