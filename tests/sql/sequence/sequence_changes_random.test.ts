// Many writers at once, doing anything that psql can do, while the sequencer looks without pause: the log holds what
// was committed, once, whole and in order.
import test from 'ava';
import pg from 'pg';
import { createRandom, type Random } from '../../helpers/random.ts';
import { readLog, sequence, withDatabase } from '../../helpers/sql.ts';

const WRITERS = 16;
const TRANSACTIONS = 25;

test(
  'whatever sixteen writers commit is in the log once, whole, in order and without a gap',
  withDatabase(async (t, database) => {
    const random = createRandom(text => t.log(text));
    const leader = await database.psql();
    const ended = { writers: false };
    const sequencer = sequenceUntil(leader, random.fork(), ended);
    const writers = Array.from({ length: WRITERS }, async () => write(await database.psql(), random.fork()));
    const committed = new Map((await Promise.all(writers)).flat());
    ended.writers = true;
    await sequencer;

    const log = await readLog(leader);
    t.deepEqual(
      log.map(event => event.position),
      log.map((_, index) => index + 1),
    );
    const { rows } = await leader.query('SELECT transaction, staged_id FROM feed.events ORDER BY position');
    const logged = inPieces(rows);
    const wrong = [...logged.keys(), ...committed.keys()].filter(
      xid => `${logged.get(xid)}` !== `${committed.get(xid)}`,
    );
    t.deepEqual(
      wrong.map(xid => ({ xid, logged: logged.get(xid), committed: committed.get(xid) })),
      [],
    );
    t.true(committed.size > WRITERS);
    t.deepEqual((await leader.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

// Every transaction's staged ids as they stand in the log. A transaction in two pieces shows as its last one only.
function inPieces(rows: { transaction: string; staged_id: string }[]): Map<string, string[]> {
  const pieces = new Map<string, string[]>();
  let last: string | undefined;
  for (const { transaction, staged_id } of rows) {
    if (transaction !== last) pieces.set(transaction, []);
    pieces.get(transaction)?.push(staged_id);
    last = transaction;
  }
  return pieces;
}

// Cleaning in between must take nothing that is still to be numbered.
async function sequenceUntil(leader: pg.Client, random: Random, ended: { writers: boolean }): Promise<void> {
  let after = { xid: '0', id: '0' };
  while (!ended.writers) {
    await sequence(leader);
    if (!random.chance(0.3)) continue;
    const { rows } = await leader.query(
      `SELECT last_xid::text AS xid, last_id::text AS id FROM feed.clean_staged($1, $2, $3)
       WHERE last_xid IS NOT NULL`,
      [after.xid, after.id, 1 + random.below(50)],
    );
    after = rows[0] ?? after;
  }
}

type Committed = [transaction: string, stagedIds: string[]];

async function write(session: pg.Client, random: Random): Promise<Committed[]> {
  await session.query(`SET deadlock_timeout = '5ms'`);
  const committed: Committed[] = [];
  for (let count = 0; count < TRANSACTIONS; count++) {
    const transaction = await attempt(session, random);
    if (transaction) committed.push(transaction);
  }
  return committed;
}

// What it staged, as it saw it itself just before its commit; undefined if it came to nothing.
async function attempt(session: pg.Client, random: Random): Promise<Committed | undefined> {
  await session.query('BEGIN');
  try {
    for (let step = random.below(8); step >= 0; step--) await session.query(anything(random));
    const { rows } = await session.query({
      text: 'SELECT xid, id FROM feed.staged WHERE xid = pg_current_xact_id_if_assigned() ORDER BY id',
      rowMode: 'array',
    });
    const keep = random.chance(0.8);
    await session.query(keep ? 'COMMIT' : 'ROLLBACK');
    return keep && rows[0] ? [rows[0][0], rows.map(row => row[1])] : undefined;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== '40P01') throw error;
    await session.query('ROLLBACK');
    return undefined;
  }
}

const SOME = 'id IN (SELECT id FROM tasks ORDER BY random() LIMIT 2)';
const CHANGES = [
  `INSERT INTO tasks (title) SELECT 'x' FROM generate_series(1, 3)`,
  `INSERT INTO tasks (title) VALUES ('x')`,
  `UPDATE tasks SET title = left(title || 'x', 100) WHERE ${SOME}`,
  `UPDATE tasks SET title = title WHERE ${SOME}`,
  `UPDATE tasks SET status = 'done' WHERE ${SOME}`,
  `DELETE FROM tasks WHERE ${SOME}`,
];

function anything(random: Random): string {
  const change = random.pick(CHANGES);
  return random.pick([
    change,
    change,
    `SAVEPOINT s; ${change}; ROLLBACK TO s; ${random.pick(CHANGES)}`,
    `SAVEPOINT s; ${change}; RELEASE s`,
    `DO $$ BEGIN ${change}; RAISE 'no'; EXCEPTION WHEN raise_exception THEN NULL; END $$`,
    'SELECT count(*) FROM tasks',
  ]);
}
