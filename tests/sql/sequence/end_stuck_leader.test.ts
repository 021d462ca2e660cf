// feed.end_stuck_leader(): who is taken for stuck, and who never.
import test from 'ava';
import type pg from 'pg';
import type { TestDatabase } from '../../helpers/database.ts';
import { pidOf, readValue, refusal, sequence, untilBlocked, withDatabase } from '../../helpers/sql.ts';

interface Found {
  leader: number | null;
  batch: string | null;
  ended: boolean | null;
}

const NOTHING: Found = { leader: null, batch: null, ended: null };

async function look(candidate: pg.Client, seen: Found = NOTHING): Promise<Found> {
  const values = [seen.leader, seen.batch];
  return (await candidate.query('SELECT * FROM feed.end_stuck_leader($1, $2)', values)).rows[0];
}

async function begin(database: TestDatabase) {
  const [leader, candidate, writer] = [await database.psql(), await database.psql(), await database.psql()];
  await leader.query(`SELECT pg_advisory_lock(feed.lock_key('leader'))`);
  const write = () => writer.query(`INSERT INTO tasks (title) VALUES ('one')`);
  return { leader, candidate, writer, write };
}

test(
  'a leader that does nothing while a change waits is ended at the second look, and its lock is free',
  withDatabase(async (t, database) => {
    const { leader, candidate, write } = await begin(database);
    await write();
    const seen = await look(candidate);
    t.like(seen, { leader: await pidOf(leader), ended: null });
    t.like(await look(candidate, seen), { ended: true });
    t.true(await readValue(candidate, `SELECT pg_try_advisory_lock(feed.lock_key('leader'))`));
    await t.throwsAsync(leader.query('SELECT 1'));
  }),
);

test(
  'where nothing waits nobody is suspected, and looking writes nothing',
  withDatabase(async (t, database) => {
    const { leader, candidate, writer, write } = await begin(database);
    await write();
    await sequence(leader);
    await candidate.query('BEGIN');
    t.deepEqual(await look(candidate), NOTHING);
    t.is(await readValue(candidate, 'SELECT pg_current_xact_id_if_assigned()'), null);
    await candidate.query('ROLLBACK');
    await writer.query('BEGIN');
    await write();
    t.deepEqual(await look(candidate), NOTHING, 'what has not committed does not wait');
  }),
);

test(
  'a batch between two looks is a sign of life',
  withDatabase(async (t, database) => {
    const { leader, candidate, write } = await begin(database);
    await write();
    const seen = await look(candidate);
    await sequence(leader);
    await write();
    const again = await look(candidate, seen);
    t.like(again, { leader: seen.leader, ended: null });
    t.not(again.batch, seen.batch);
    await leader.query('SELECT 1');
  }),
);

test(
  'a transaction that was open at the last batch is waited for as much as a later one',
  withDatabase(async (t, database) => {
    const { leader, candidate, writer, write } = await begin(database);
    await writer.query('BEGIN');
    await write();
    const other = await database.psql();
    await other.query(`INSERT INTO tasks (title) VALUES ('two')`);
    await sequence(leader);
    t.deepEqual(await look(candidate), NOTHING);
    await writer.query('COMMIT');
    t.like(await look(candidate), { leader: await pidOf(leader) });
  }),
);

test(
  'a leader at work is never ended, however long it takes',
  withDatabase(async (t, database) => {
    const { leader, candidate, writer, write } = await begin(database);
    await write();
    const seen = await look(candidate);
    await writer.query('BEGIN; LOCK TABLE feed.events IN EXCLUSIVE MODE');
    const pid = await pidOf(leader);
    const numbering = sequence(leader);
    await untilBlocked(candidate, pid);
    t.deepEqual(await look(candidate, seen), NOTHING);
    await writer.query('COMMIT');
    t.is((await numbering).length, 1);
  }),
);

test(
  'a leader whose work is not to be seen is left alone, and its observer told so',
  withDatabase(async (t, database) => {
    const { leader, candidate, write } = await begin(database);
    await leader.query('SET track_activities = off');
    await write();
    const seen = await look(candidate);
    t.is((await refusal(look(candidate, seen))).code, '42501');
    await leader.query('SELECT 1');
  }),
);

test(
  'a role that may not end the leader is told so',
  withDatabase(async (t, database) => {
    const { leader, candidate, write } = await begin(database);
    await write();
    const seen = await look(candidate);
    await candidate.query(`
      GRANT EXECUTE ON FUNCTION feed.end_stuck_leader(integer, bigint), feed.is_working(integer) TO taskwire_app;
      SET ROLE taskwire_app`);
    t.is((await refusal(look(candidate, seen))).code, '42501');
    await leader.query('SELECT 1');
  }),
);
