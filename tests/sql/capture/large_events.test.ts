// What is larger than an event may be is refused to its writer, whatever the statement; a page of the log ends where
// its events are large.
import test from 'ava';
import type pg from 'pg';
import { readRange } from '../../../src/queries/log.ts';
import { readLog, readValue, refusal, sequence, withDatabase } from '../../helpers/sql.ts';

const MIB = 1024 * 1024;
const DOCS = 'CREATE TABLE docs (id integer PRIMARY KEY, body text, state text)';
const WATCH = `SELECT feed.watch('docs', 'docs', 'doc')`;

// As from before there was a limit.
async function insertUnseen(session: pg.Client, bytes: number): Promise<void> {
  await session.query('ALTER TABLE docs DISABLE TRIGGER ALL');
  await session.query(`INSERT INTO docs VALUES (7, repeat('x', $1))`, [bytes]);
  await session.query('ALTER TABLE docs ENABLE ALWAYS TRIGGER "00_feed_capture"');
  await session.query('ALTER TABLE docs ENABLE ALWAYS TRIGGER "00_feed_capture_truncate"');
}

async function stageOld(session: pg.Client, bytes: number): Promise<void> {
  await session.query(
    `INSERT INTO feed.staged (xid, topic, type, subject, "time", origin, data)
     SELECT pg_current_xact_id(), 'docs', 'doc_created', '9', now(), 'psql', to_json(repeat('x', $1))`,
    [bytes],
  );
}

for (const [title, statement] of [
  ['an INSERT', `INSERT INTO docs VALUES (7, repeat('x', ${17 * MIB}))`],
  ['an UPDATE', `UPDATE docs SET body = repeat('y', ${9 * MIB})`],
  [
    'an INSERT of many',
    `INSERT INTO docs SELECT n, repeat('x', n * ${MIB}) FROM generate_series(15, 18) AS n`,
  ],
] as const)
  test(
    `${title} that makes an event of more than 16 MiB is refused, with its key and size`,
    withDatabase(async (t, database) => {
      const session = await database.psql();
      await session.query(`${DOCS}; ${WATCH}`);
      await session.query(`INSERT INTO docs VALUES (1, repeat('x', ${9 * MIB}))`);
      const said = await refusal(session.query(statement));
      t.is(said.constraint, 'event_bytes_limit');
      t.regex(
        said.message,
        /^the row \d+ of the topic docs is too large to be told: \d{8} bytes, and an event has at most 16777216$/,
      );
      t.is((await readLog(session)).length, 1);
    }),
  );

test(
  'a row from before the limit is not deleted, truncated or changed unless its topic is ended, which it can be',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`${DOCS}; ${WATCH}`);
    await insertUnseen(session, 17 * MIB);
    await stageOld(session, 17 * MIB);
    for (const statement of ['DELETE FROM docs', 'TRUNCATE docs', `UPDATE docs SET body = 'short'`]) {
      const { constraint, hint } = await refusal(session.query(statement));
      t.is(constraint, 'event_bytes_limit', statement);
      t.regex(String(hint), /feed\.unwatch/);
    }
    await session.query(`SELECT feed.unwatch('docs')`);
    t.is((await refusal(session.query(WATCH))).constraint, 'event_bytes_limit');
    await session.query(`UPDATE docs SET body = 'short'`);
    await session.query(WATCH);
    const [, deleted, created] = await readLog(session);
    t.like(deleted, { type: 'doc_deleted', subject: '9', data: { id: '9' } });
    t.like(created, { type: 'doc_created', data: { id: 7, body: 'short' } });
    t.is(
      await readValue(session, `SELECT data::text FROM feed.events WHERE type = 'doc_deleted'`),
      '{"id":"9"}',
    );
  }),
);

test(
  'where only a status is told, a row does not grow beyond what its deletion could tell',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`${DOCS}; SELECT feed.watch('docs', 'docs', 'doc', 'id', 'state')`);
    await session.query(`INSERT INTO docs VALUES (7, '', 'new')`);
    const { constraint } = await refusal(session.query(`UPDATE docs SET body = repeat('x', ${17 * MIB})`));
    t.is(constraint, 'event_bytes_limit');
    await session.query('DELETE FROM docs');
    t.is((await readLog(session)).length, 2);
  }),
);

test(
  'an event from before the limit is told without its data, and verify names it',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`${DOCS}; ${WATCH}`);
    await stageOld(session, 17 * MIB);
    await session.query(`INSERT INTO docs VALUES (1)`);
    const [old, next] = await sequence(session);
    t.like(old, { position: 1, subject: '9', data: null });
    t.like(next, { position: 2, subject: '1' });
    const log = await readValue<string>(session, 'SELECT id FROM feed.log');
    t.like(await readRange(database.pool, log, 0, 2), [{ data: null }, { subject: '1' }]);
    const { rows } = await session.query('SELECT fault FROM feed.verify()');
    t.true(rows.some(({ fault }) => /^position 1 is told without its data: it has \d+ bytes/.test(fault)));
  }),
);

test(
  'of large events a look hands over, and a page holds, as many as fill a mebibyte',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`${DOCS}; ${WATCH}`);
    await session.query(`INSERT INTO docs SELECT n, repeat('x', 400000) FROM generate_series(1, 10) AS n`);
    const { rows: handed } = await session.query('SELECT position FROM feed.sequence_staged(500)');
    t.deepEqual(handed, [{ position: '1' }, { position: '2' }, { position: '3' }]);
    const log = await readValue<string>(session, 'SELECT id FROM feed.log');
    const page = await readRange(database.pool, log, 5, 10);
    t.deepEqual(
      page.map(({ position }) => position),
      [6, 7, 8],
    );
  }),
);
