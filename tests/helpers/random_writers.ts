// Writers that do anything that psql can do, many at once, and a sequencer by hand beside them.
import pg from 'pg';
import type { Random } from './random.ts';
import { sequence } from './sql.ts';

/** Numbers without pause until the writers have ended. Cleaning in between must take nothing that is still to be numbered. */
export async function sequenceUntil(
  leader: pg.Client,
  random: Random,
  ended: { writers: boolean },
): Promise<void> {
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

/** What a transaction that committed had staged, in the order in which it did. */
export type Committed = [transaction: string, stagedIds: string[]];

/** Makes so many transactions of anything that psql can do to tasks; tells those that committed with something staged. */
export async function writeAnything(
  session: pg.Client,
  random: Random,
  transactions: number,
): Promise<Committed[]> {
  await session.query(`SET deadlock_timeout = '5ms'`);
  const committed: Committed[] = [];
  for (let count = 0; count < transactions; count++) {
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
