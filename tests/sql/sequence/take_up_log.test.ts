// feed.take_up_log(): each start of the server begins an epoch, and the one before ends where the log stands then.
import test from 'ava';
import type pg from 'pg';
import { canResume } from '../../../src/feed/subscription.ts';
import { readHead, readRange } from '../../../src/queries/log.ts';
import { pidOf, readValue, refusal, sequence, untilBlocked, withDatabase } from '../../helpers/sql.ts';

const takeUp = (session: pg.Client) => readValue<string | null>(session, 'SELECT feed.take_up_log()::text');
const logOf = (session: pg.Client) => readValue<string>(session, 'SELECT id::text FROM feed.log');

// Files that know nothing of this start, and tables that were made anew: what each leaves in feed.log.
const ANEW = `UPDATE feed.log SET server_started = server_started - interval '1 day'`;
const REMADE = 'UPDATE feed.log SET relation = 1';

async function write(session: pg.Client, count: number): Promise<void> {
  await session.query(`INSERT INTO tasks (title) SELECT 'x' FROM generate_series(1, ${count})`);
  await sequence(session);
}

test(
  'on the start of the server that is known nothing happens',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const log = await logOf(session);
    for (let leader = 0; leader < 3; leader++) t.is(await takeUp(session), null);
    t.is(await logOf(session), log);
    t.is((await session.query('SELECT * FROM feed.epochs')).rowCount, 0);
  }),
);

test(
  'on another one an epoch begins: positions up to the head are as good in the one before, and none beyond it',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const epochs = [await logOf(session)];
    for (const [round, change] of [ANEW, REMADE, ANEW].entries()) {
      await write(session, 10);
      await session.query(change);
      t.is(await takeUp(session), null); // it is the same log
      epochs.push(await logOf(session));
      t.is(new Set(epochs).size, round + 2);
    }
    await write(session, 10);
    const head = {
      ...(await readHead(database.pool)),
      ends: (await readHead(database.pool)).ends ?? new Map(),
    };
    for (const [index, log] of epochs.entries()) {
      const end = 10 * (index + 1);
      for (const after of [0, end]) t.is(canResume(head, { after, log }), undefined);
      t.is(canResume(head, { after: end + 1, log }), log === head.log ? 'ahead' : 'other_log');
    }
    t.is(canResume(head, { after: 0, log: '00000000-0000-7000-8000-000000000000' }), 'other_log');
    t.is((await readHead(database.pool, { known: head.log })).ends, null);
    t.deepEqual((await session.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

test(
  'events are read in the present epoch alone',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await write(session, 3);
    const before = await logOf(session);
    t.is((await readRange(database.pool, before, 0, 10)).length, 3);
    await session.query(ANEW);
    await takeUp(session);
    t.deepEqual(await readRange(database.pool, before, 0, 10), []);
    t.is((await readRange(database.pool, await logOf(session), 0, 10)).length, 3);
  }),
);

test(
  'a new log knows no earlier epoch',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(ANEW);
    await takeUp(session);
    t.is((await readHead(database.pool)).ends?.size, 1);
    await session.query('SELECT feed.new_log()');
    t.is((await readHead(database.pool)).ends?.size, 0);
    await session.query(ANEW);
    await session.query('UPDATE feed.log SET system_identifier = 1');
    t.is(await takeUp(session), await logOf(session));
    t.is((await readHead(database.pool)).ends?.size, 0);
  }),
);

test(
  'feed.new_log() by hand at the same moment waits its turn, and the other way round',
  withDatabase(async (t, database) => {
    const [one, other] = [await database.psql(), await database.psql()];
    const pid = await pidOf(other);
    for (const [first, second] of [
      ['SELECT feed.take_up_log()', 'SELECT feed.new_log()'],
      ['SELECT feed.new_log()', 'SELECT feed.take_up_log()'],
    ] as const) {
      await one.query(`${ANEW}`);
      await one.query(`BEGIN; ${first}`);
      const waiting = other.query(second);
      await untilBlocked(one, pid);
      await one.query('COMMIT');
      await t.notThrowsAsync(waiting);
      t.is((await readHead(database.pool)).ends?.size, 0);
    }
  }),
);

test(
  'an ended epoch is not changed afterwards',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(ANEW);
    await takeUp(session);
    for (const statement of ['UPDATE feed.epochs SET last_position = 100', 'TRUNCATE feed.epochs'])
      t.is((await refusal(session.query(statement))).code, '23001', statement);
    const added = `INSERT INTO feed.epochs (id, last_position)`;
    t.is(
      (await refusal(session.query(`${added} VALUES (gen_random_uuid(), -1)`))).constraint,
      'epochs_last_position_natural',
    );
  }),
);
