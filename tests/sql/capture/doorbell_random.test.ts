// The doorbell against chance: whatever writers do and whenever the sequencer falls asleep, no wake-up is lost.
// Nothing here has a timer: a wake-up that was lost would leave the test waiting for ever.
import test from 'ava';
import type pg from 'pg';
import { createRandom, type Random } from '../../helpers/random.ts';
import { readValue, sequence, withDatabase } from '../../helpers/sql.ts';

const INSERT = `INSERT INTO tasks (title) VALUES ('x')`;

test(
  'no wake-up is lost, whatever writers do and whenever the sequencer falls asleep',
  withDatabase(async (t, database) => {
    const random = createRandom(text => t.log(text));
    const leader = await database.psql();
    const numbered = createNumbered();
    const ended = { writers: false };
    const sleeps = sleepAndWork(leader, numbered, ended);
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
  session: pg.Client,
  numbered: Numbered,
  ended: { writers: boolean },
): Promise<number> {
  const lock = `SELECT pg_try_advisory_lock(feed.lock_key('doorbell'))`;
  const look = async () => {
    const events = await sequence(session);
    for (const { transaction } of events) numbered.see(transaction);
    return events.length > 0;
  };
  let bell = Promise.withResolvers<void>();
  session.on('notification', () => bell.resolve());
  await session.query(`LISTEN ${await readValue(session, `SELECT feed.channel('doorbell')`)}`);
  let slept = 0;
  while (!ended.writers) {
    bell = Promise.withResolvers<void>();
    if ((await look()) || !(await readValue(session, lock))) continue;
    if (!(await look())) {
      slept++;
      await bell.promise;
    }
    await session.query(`SELECT pg_advisory_unlock(feed.lock_key('doorbell'))`);
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
