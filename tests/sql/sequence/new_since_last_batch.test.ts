// What is new since the last batch is asked in several places, each with a copy of the condition, for the planner's sake. On
// random histories of transactions that overlap, with savepoints and rollbacks, they must all say the same at every step.
import test from 'ava';
import type pg from 'pg';
import { readFeedState } from '../../../src/queries/log.ts';
import { createRandom, type Random } from '../../helpers/random.ts';
import { withDatabase } from '../../helpers/sql.ts';

const WRITERS = 5;
const STEPS = 250;

type Step = (writer: Writer) => Promise<void>;

interface Writer {
  session: pg.Client;
  open: boolean;
  savepoints: number;
}

const insert: Step = async ({ session }) => {
  await session.query(`INSERT INTO tasks (title) VALUES ('x')`);
};

const STEPS_OF_OPEN: Record<string, Step> = {
  insert,
  savepoint: async writer => {
    await writer.session.query('SAVEPOINT s');
    writer.savepoints++;
  },
  undo: async writer => {
    if (writer.savepoints > 0) await writer.session.query('ROLLBACK TO s');
  },
  commit: async writer => {
    await writer.session.query('COMMIT');
    Object.assign(writer, { open: false, savepoints: 0 });
  },
  rollback: async writer => {
    await writer.session.query('ROLLBACK');
    Object.assign(writer, { open: false, savepoints: 0 });
  },
};

async function step(random: Random, writer: Writer): Promise<void> {
  if (writer.open) {
    const name = random.pick([
      'insert',
      'insert',
      'insert',
      'savepoint',
      'undo',
      'commit',
      'commit',
      'rollback',
    ]);
    return STEPS_OF_OPEN[name]?.(writer);
  }
  if (random.chance(0.5)) return insert(writer); // in a transaction of its own
  await writer.session.query('BEGIN');
  writer.open = true;
}

/** How many changes count as numbered for verify: what it misses where the log has lost all its events. */
async function countNumbered(session: pg.Client): Promise<number> {
  await session.query('BEGIN');
  await session.query('ALTER TABLE feed.events DISABLE TRIGGER ALL');
  await session.query('DELETE FROM feed.events');
  const { rows } = await session.query(
    `SELECT count(*)::integer AS missed FROM feed.verify() WHERE fault LIKE '%counts as numbered%'`,
  );
  await session.query('ROLLBACK');
  return rows[0].missed;
}

test(
  'every copy of the condition for what is new since the last batch says the same, whatever has committed, was rolled back or is open',
  withDatabase(async (t, database) => {
    const random = createRandom(t.log);
    const sessions = await Promise.all(Array.from({ length: WRITERS }, () => database.psql()));
    const writers = sessions.map((session): Writer => ({ session, open: false, savepoints: 0 }));
    const [observer, leader] = [await database.psql(), await database.psql()];
    await leader.query(`SELECT pg_advisory_lock(feed.lock_key('leader'))`); // and rests: it is not at work
    let numberedOnce = 0;

    for (let at = 0; at < STEPS; at++) {
      await step(random, random.pick(writers));
      const told = await observer.query(`SELECT u.id::text FROM feed.unnumbered('tasks') AS u ORDER BY u.id`);
      const fresh = told.rows.map(({ id }) => id);
      const { waiting } = await readFeedState(database.pool);
      t.is(waiting !== null, fresh.length > 0, `readiness, step ${at}`);
      const stuck = await observer.query('SELECT batch FROM feed.end_stuck_leader(NULL, NULL)');
      t.is(stuck.rows[0].batch !== null, fresh.length > 0, `the watchdog, step ${at}`);
      const { rows: faults } = await observer.query('SELECT fault FROM feed.verify()');
      t.deepEqual(faults, [], `verify, step ${at}`);
      if (!random.chance(0.15)) continue;
      t.is(await countNumbered(observer), numberedOnce, `verify without a log, step ${at}`);
      await leader.query('SELECT feed.sequence_staged(0)');
      const last = await observer.query(
        `SELECT e.staged_id::text AS id FROM feed.events AS e WHERE e.position > $1 ORDER BY e.staged_id`,
        [numberedOnce],
      );
      t.deepEqual(
        last.rows.map(({ id }) => id),
        fresh,
        `the sequencer, step ${at}`,
      );
      numberedOnce += last.rows.length;
      const after = await observer.query(`SELECT FROM feed.unnumbered('tasks')`);
      t.is(after.rowCount, 0, `all of it is numbered, step ${at}`);
    }
    t.true(numberedOnce > 20);
  }),
);
