// The doorbell: a writer rings if the sequencer sleeps and passes in silence if it does not, and no wake-up is lost.
// Nothing here has a timer: a wake-up that was lost would leave a test waiting for ever.
import test from 'ava';
import type pg from 'pg';
import type { TestDatabase } from '../helpers/database.ts';
import { createRandom, type Random } from '../helpers/random.ts';
import { readValue, sequence, withDatabase } from '../helpers/sql.ts';

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

test(
  'no wake-up is lost, whatever writers do and whenever the sequencer falls asleep',
  withDatabase(async (t, database) => {
    const random = createRandom(text => t.log(text));
    const sequencer = await listen(database);
    const numbered = createNumbered();
    const ended = { writers: false };
    const sleeps = sleepAndWork(sequencer, numbered, ended);
    const writers = await Promise.all(Array.from({ length: 8 }, () => database.psql()));
    for (let round = 0; round < 500; round++) {
      const share = random.pick([0.1, 0.2, 0.5, 1]);
      const active = writers.filter(() => random.chance(share));
      await Promise.all(active.map(writer => write(writer, random.fork(), numbered)));
    }
    ended.writers = true;
    await (await database.psql()).query(INSERT);
    const slept = await sleeps;
    t.log(`${numbered.seen.size} transactions, slept ${slept} times`);
    t.true(slept > 50);
  }),
);

interface Numbered {
  readonly seen: Set<string>;
  see(transaction: string): void;
  until(transaction: string): Promise<void>;
}

function createNumbered(): Numbered {
  const seen = new Set<string>();
  const waiting = new Map<string, () => void>();
  return {
    seen,
    see: transaction => {
      seen.add(transaction);
      waiting.get(transaction)?.();
    },
    until: transaction =>
      new Promise(resolve => (seen.has(transaction) ? resolve() : waiting.set(transaction, resolve))),
  };
}

// The protocol as the sequencer follows it, but for its pause between looks. Returns how often it slept.
async function sleepAndWork(
  sequencer: Sequencer,
  numbered: Numbered,
  ended: { writers: boolean },
): Promise<number> {
  const look = async () => {
    const events = await sequence(sequencer.session);
    for (const { transaction } of events) numbered.see(transaction);
    return events.length > 0;
  };
  let bell = Promise.withResolvers<void>();
  sequencer.session.on('notification', ({ channel }) => channel.endsWith('doorbell') && bell.resolve());
  let slept = 0;
  while (!ended.writers) {
    bell = Promise.withResolvers<void>();
    if ((await look()) || !(await sequencer.lock())) continue;
    if (!(await look())) {
      slept++;
      await bell.promise;
    }
    await sequencer.unlock();
  }
  return slept;
}

// Waiting for its own events leaves the sequencer the quiet to fall asleep in, just when the next round begins.
async function write(session: pg.Client, random: Random, numbered: Numbered): Promise<void> {
  for (let pause = random.below(8); pause > 0; pause--) await session.query('SELECT 1');
  for (let count = random.below(3); count >= 0; count--) {
    await session.query('BEGIN');
    for (const statement of anything(random)) await session.query(statement);
    const transaction = await readValue<string | null>(
      session,
      'SELECT min(xid::text) FROM feed.staged WHERE xid = pg_current_xact_id_if_assigned()',
    );
    const keep = random.chance(0.9);
    await session.query(keep ? 'COMMIT' : 'ROLLBACK');
    if (keep && transaction !== null && random.chance(0.8)) await numbered.until(transaction);
  }
}

function anything(random: Random): string[] {
  const all = [
    `SAVEPOINT s; ${INSERT}; ROLLBACK TO s`,
    `DO $$ BEGIN ${INSERT}; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END $$`,
    INSERT,
    `SAVEPOINT s; ${INSERT}; RELEASE s`,
  ];
  return all.filter(() => random.chance(0.5));
}
