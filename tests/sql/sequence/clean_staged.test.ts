// Staged rows go once they are numbered, and not before, whoever has a transaction open.
import test from 'ava';
import type pg from 'pg';
import { readValue, sequence, withDatabase } from '../../helpers/sql.ts';

const insert = (title: string) => `INSERT INTO tasks (title) VALUES ('${title}')`;

interface StagedRow {
  xid: string;
  id: string;
}
// Of staged, in the present transaction: index entries that were read, dead ones, too, and rows.
const FETCHED = `
  SELECT (pg_stat_get_xact_tuples_returned('feed.staged'::regclass)
    + pg_stat_get_xact_tuples_returned('feed.staged_pkey'::regclass))::integer`;
const BEGINNING: StagedRow = { xid: '0', id: '0' };

async function clean(session: pg.Client, after: StagedRow, most: number): Promise<StagedRow | null> {
  const { rows } = await session.query<{ [Part in keyof StagedRow]: string | null }>(
    'SELECT last_xid::text AS xid, last_id::text AS id FROM feed.clean_staged($1, $2, $3)',
    [after.xid, after.id, most],
  );
  const { xid, id } = rows[0] ?? {};
  return xid && id ? { xid, id } : null;
}

const staged = (session: pg.Client) =>
  readValue(
    session,
    `SELECT string_agg(data ->> 'title', ' ' ORDER BY id) FROM feed.staged WHERE data ->> 'title' <> 'later'`,
  );

// A row may go once a batch knows of no transaction as old as it that is still open, in any database of the server: so
// this adds batches until the tests beside this one have let go.
async function untilOld(session: pg.Client, title: string): Promise<void> {
  for (;;) {
    await session.query(insert('later'));
    await sequence(session);
    const old = await readValue(
      session,
      `SELECT xid < (SELECT pg_snapshot_xmin(snapshot) FROM feed.event_batches ORDER BY id DESC LIMIT 1)
       FROM feed.staged WHERE data ->> 'title' = $1 ORDER BY xid DESC LIMIT 1`,
      [title],
    );
    if (old) return;
  }
}

test(
  'what has no position yet stays',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(insert('a'));
    t.is(await clean(session, BEGINNING, 100), null);
    await untilOld(session, 'a');
    await session.query(insert('b'));
    await clean(session, BEGINNING, 100);
    t.is(await staged(session), 'b');
    t.like(await sequence(session), [{ data: { title: 'b' } }]);
  }),
);

test(
  'pieces go one after the other, each from where the last one ended',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    for (const title of ['a', 'b', 'c'])
      await session.query(`BEGIN; ${insert(title)}; ${insert(title)}; COMMIT`);
    await untilOld(session, 'c');
    const left: unknown[] = [];
    for (let bound: StagedRow | null = BEGINNING; bound !== null && (await staged(session)) !== null; ) {
      bound = await clean(session, bound, 1);
      left.push(await staged(session));
    }
    t.deepEqual(left, ['a b b c c', 'b b c c', 'b c c', 'c c', 'c', null]);
  }),
);

test(
  'an open transaction keeps its own rows and those after it, until it has ended and is numbered',
  withDatabase(async (t, database) => {
    const [session, open, rolledBack] = [await database.psql(), await database.psql(), await database.psql()];
    await session.query(insert('before'));
    await open.query(`BEGIN; ${insert('open')}`);
    await rolledBack.query(`BEGIN; ${insert('never')}; ROLLBACK`);
    await session.query(insert('after'));
    await untilOld(session, 'before');
    await clean(session, BEGINNING, 100);
    t.is(await staged(session), 'after');

    await open.query('COMMIT');
    await clean(session, BEGINNING, 100);
    t.is(await staged(session), 'open after');
    t.like(await sequence(session), [{ data: { title: 'open' } }]);
    await untilOld(session, 'after');
    await clean(session, BEGINNING, 1000);
    t.is(await staged(session), null);
  }),
);

test(
  'numbering goes on after everything was cleaned away',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(insert('a'));
    await untilOld(session, 'a');
    await clean(session, BEGINNING, 1000);
    const head = await readValue(session, 'SELECT max(position)::integer FROM feed.events');
    await session.query(insert('next'));
    t.like(await sequence(session), [{ position: Number(head) + 1, data: { title: 'next' } }]);
    t.deepEqual(await sequence(session), []);
    t.deepEqual((await session.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

// Beside an open transaction vacuum takes nothing, and what pieces before have deleted lies in the way of whoever begins
// at its transaction again.
test(
  'a piece reads nothing but itself, however much of the same transaction went before',
  withDatabase(async (t, database) => {
    const [session, open] = [await database.psql(), await database.psql()];
    await session.query(`INSERT INTO tasks (title) SELECT 'many' FROM generate_series(1, 3000)`);
    await untilOld(session, 'many');
    await open.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM tasks');
    const read = async (after: StagedRow): Promise<[StagedRow | null, number]> => {
      await session.query('BEGIN');
      const before = await readValue<number>(session, FETCHED);
      const next = await clean(session, after, 100);
      const fetched = (await readValue<number>(session, FETCHED)) - before;
      await session.query('COMMIT');
      return [next, fetched];
    };
    let next: StagedRow | null = BEGINNING;
    const costs: number[] = [];
    for (let piece = 0; piece < 29 && next; piece++) {
      const [after, fetched]: [StagedRow | null, number] = await read(next);
      costs.push(fetched);
      next = after;
    }
    t.is(costs.length, 29);
    t.true(Math.max(...costs) <= 2 * (costs[0] ?? 0), costs.join());
    await open.query('COMMIT');
  }),
);
