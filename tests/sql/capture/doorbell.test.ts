// The doorbell: a writer rings if the sequencer sleeps and passes in silence if it does not.
import test from 'ava';
import type pg from 'pg';
import type { TestDatabase } from '../../helpers/database.ts';
import { readValue, sequence, withDatabase } from '../../helpers/sql.ts';

const INSERT = `INSERT INTO tasks (title) VALUES ('x')`;
const RUNG = [
  INSERT,
  'UPDATE tasks SET title = title || 1',
  'DELETE FROM tasks',
  `BEGIN; SAVEPOINT s; ${INSERT}; ROLLBACK TO s; ${INSERT}; COMMIT`,
  `BEGIN; ${INSERT}; SAVEPOINT s; ${INSERT}; ROLLBACK TO s; COMMIT`,
  `BEGIN; SAVEPOINT s; ${INSERT}; SAVEPOINT inner_; ${INSERT}; ROLLBACK TO inner_; RELEASE s; COMMIT`,
  `DO $$ BEGIN ${INSERT}; BEGIN ${INSERT}; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END; END $$`,
  'TRUNCATE tasks',
];
const SILENT = [
  'SELECT FROM tasks',
  'UPDATE tasks SET title = title',
  `BEGIN; ${INSERT}; ROLLBACK`,
  `BEGIN; SAVEPOINT s; ${INSERT}; ROLLBACK TO s; COMMIT`,
  `DO $$ BEGIN ${INSERT}; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END $$`,
];

interface Sequencer {
  session: pg.Client;
  lock(): Promise<boolean>;
  unlock(): Promise<void>;
  /** How often the bell rang since the last call. A round trip later than a commit, its ring has arrived. */
  rings(): Promise<number>;
}

async function listen(database: TestDatabase): Promise<Sequencer> {
  const session = await database.psql();
  let heard = 0;
  session.on('notification', () => heard++);
  await session.query(`LISTEN ${await readValue(session, `SELECT feed.channel('doorbell')`)}`);
  return {
    session,
    lock: () => readValue(session, `SELECT pg_try_advisory_lock(feed.lock_key('doorbell'))`),
    unlock: async () => void (await session.query(`SELECT pg_advisory_unlock(feed.lock_key('doorbell'))`)),
    rings: async () => {
      await session.query('SELECT 1');
      const count = heard;
      heard = 0;
      return count;
    },
  };
}

test(
  'every committed change rings while the sequencer sleeps, and nothing else does',
  withDatabase(async (t, database) => {
    const sequencer = await listen(database);
    const writer = await database.psql();
    t.true(await sequencer.lock());
    for (const statement of RUNG) {
      await writer.query(statement.includes('tasks SET') ? `${INSERT}` : 'SELECT 1');
      await sequencer.rings();
      await writer.query(statement);
      t.is(await sequencer.rings(), 1, statement);
    }
    for (const statement of SILENT) {
      await writer.query(statement);
      t.is(await sequencer.rings(), 0, statement);
    }
  }),
);

test(
  'no writer rings while the sequencer is awake',
  withDatabase(async (t, database) => {
    const sequencer = await listen(database);
    const writer = await database.psql();
    for (const statement of [...RUNG, ...SILENT]) await writer.query(statement);
    t.is(await sequencer.rings(), 0);
  }),
);

test(
  'the sequencer cannot fall asleep while a writer that passed in silence may still commit',
  withDatabase(async (t, database) => {
    const sequencer = await listen(database);
    const writer = await database.psql();
    await writer.query(`BEGIN; SAVEPOINT s; ${INSERT}; RELEASE s`);
    t.false(await sequencer.lock());
    await writer.query(`SAVEPOINT s; ${INSERT}; ROLLBACK TO s`);
    t.false(await sequencer.lock());
    await writer.query('COMMIT');
    t.true(await sequencer.lock());
    t.is((await sequence(sequencer.session)).length, 1);
  }),
);

test(
  'it can while the only change of an open transaction has been rolled back',
  withDatabase(async (t, database) => {
    const sequencer = await listen(database);
    const writer = await database.psql();
    await writer.query(`BEGIN; SAVEPOINT s; ${INSERT}; ROLLBACK TO s`);
    t.true(await sequencer.lock());
    await writer.query(`${INSERT}; COMMIT`);
    t.is(await sequencer.rings(), 1);
  }),
);

test(
  'a writer that rang still rings after the sequencer has woken and fallen asleep again',
  withDatabase(async (t, database) => {
    const sequencer = await listen(database);
    const writer = await database.psql();
    t.true(await sequencer.lock());
    await writer.query(`BEGIN; ${INSERT}`);
    await sequencer.unlock();
    t.true(await sequencer.lock());
    await writer.query('COMMIT');
    t.is(await sequencer.rings(), 1);
  }),
);
