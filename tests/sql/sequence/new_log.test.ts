// feed.new_log(): nothing staged is lost by it, whoever writes meanwhile, before it or after it in its own transaction.
import test from 'ava';
import type pg from 'pg';
import {
  pidOf,
  readLog,
  readValue,
  refusal,
  sequence,
  untilBlocked,
  withDatabase,
} from '../../helpers/sql.ts';

const insert = (title: string) => `INSERT INTO tasks (title) VALUES ('${title}')`;
const NEW_LOG = 'SELECT feed.new_log()';
const ACTIVE_TRANSACTION = '25001';
const NOT_SUPPORTED = '0A000';

const titles = async (session: pg.Client) => (await readLog(session)).map(({ data }) => data.title);
const faults = async (session: pg.Client) => (await session.query('SELECT * FROM feed.verify()')).rows;

test(
  'a transaction that goes on writing after it loses nothing, whoever committed meanwhile',
  withDatabase(async (t, database) => {
    const [session, other] = [await database.psql(), await database.psql()];
    const pid = await pidOf(other);
    const expected: string[] = [];
    for (const [round, write] of [
      insert('a 0'),
      `SAVEPOINT s; ${insert('lost')}; ROLLBACK TO s; ${insert('a 1')}`,
      `SAVEPOINT s; ${insert('a 2')}; RELEASE s`,
    ].entries()) {
      await session.query(`BEGIN; SAVEPOINT first; ${NEW_LOG}; RELEASE first`);
      const writing = other.query(insert(`b ${round}`)); // waits for the log to be new
      await untilBlocked(session, pid);
      await session.query(`${write}; COMMIT`);
      await writing;
      expected.push(`a ${round}`, `b ${round}`);
      t.deepEqual((await titles(session)).sort(), [...expected].sort());
      t.deepEqual(await faults(session), []);
    }
  }),
);

// A transaction id that is given before a later one has ended lies below the snapshot's end, and is left out of it.
test(
  'a transaction whose id is older than what has committed by then stays new, too',
  withDatabase(async (t, database) => {
    const [session, other] = [await database.psql(), await database.psql()];
    await session.query(`
      CREATE FUNCTION wait_for_gate() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NULL; END';
      CREATE TRIGGER gate BEFORE DELETE ON feed.staged EXECUTE FUNCTION wait_for_gate()`);
    await session.query(insert('numbered by the call')); // so that it has an id when it comes to the gate
    const pid = await pidOf(session);
    await other.query('SELECT pg_advisory_lock(42)');
    await session.query('BEGIN');
    const calling = session.query(NEW_LOG);
    await untilBlocked(other, pid);
    await other.query('CREATE TABLE later (id integer)');
    await other.query('SELECT pg_advisory_unlock(42)');
    await calling;
    const own = await readValue<boolean>(
      session,
      `SELECT pg_current_xact_id() < pg_snapshot_xmax(snapshot) AND NOT pg_visible_in_snapshot(pg_current_xact_id(), snapshot)
       FROM feed.event_batches ORDER BY id DESC LIMIT 1`,
    );
    t.true(own);
    await session.query(`${insert('after the call')}; COMMIT`);
    t.deepEqual(await titles(session), ['numbered by the call', 'after the call']);
    t.deepEqual(await faults(session), []);
  }),
);

test(
  'in a transaction that has written before it is refused, in a savepoint or not',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    for (const before of [
      insert('a'),
      `SAVEPOINT s; ${insert('a')}; ROLLBACK TO s`,
      `SAVEPOINT s; ${insert('a')}; RELEASE s`,
      NEW_LOG,
    ]) {
      await session.query(`BEGIN; ${before}`);
      t.is((await refusal(session.query(NEW_LOG))).code, ACTIVE_TRANSACTION, before);
      await session.query('ROLLBACK');
    }
    await session.query(`BEGIN; SELECT count(*) FROM tasks; ${NEW_LOG}; COMMIT`);
  }),
);

test(
  'above READ COMMITTED it is refused, and the log goes on',
  withDatabase(async (t, database) => {
    const [session, other] = [await database.psql(), await database.psql()];
    for (const level of ['REPEATABLE READ', 'SERIALIZABLE']) {
      await session.query(`BEGIN ISOLATION LEVEL ${level}; SELECT count(*) FROM tasks`);
      await other.query(insert(level));
      await sequence(other);
      const { code, hint } = await refusal(session.query(NEW_LOG));
      t.is(code, NOT_SUPPORTED);
      t.regex(hint ?? '', /read committed/);
      await session.query('ROLLBACK');
    }
    t.is((await sequence(other)).length, 0);
    t.deepEqual(await titles(other), ['REPEATABLE READ', 'SERIALIZABLE']);
    t.deepEqual(await faults(other), []);
  }),
);

// Held between two of its statements, as it would be by a busy machine.
test(
  'writers wait until it is done, at whichever of its statements it is',
  withDatabase(async (t, database) => {
    const [session, writer, gate] = [await database.psql(), await database.psql(), await database.psql()];
    await session.query(`
      CREATE FUNCTION wait_for_gate() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NULL; END'`);
    const [caller, waiter] = [await pidOf(session), await pidOf(writer)];
    const expected: string[] = [];
    for (const at of ['INSERT ON feed.events', 'DELETE ON feed.staged', 'INSERT ON feed.event_batches']) {
      await session.query(`CREATE TRIGGER gate BEFORE ${at} EXECUTE FUNCTION wait_for_gate()`);
      await gate.query('SELECT pg_advisory_lock(42)');
      const calling = session.query(NEW_LOG);
      await untilBlocked(gate, caller);
      const writing = writer.query(insert(at));
      const isHeld = untilBlocked(gate, waiter).then(() => true);
      t.true(await Promise.race([isHeld, writing.then(() => false)]), at);
      await gate.query('SELECT pg_advisory_unlock(42)');
      await Promise.all([calling, writing]);
      await session.query(`DROP TRIGGER gate ON ${at.split(' ON ')[1]}`);
      expected.push(at);
      t.deepEqual(await titles(session), expected);
      t.deepEqual(await faults(session), []);
    }
  }),
);
