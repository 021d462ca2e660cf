// Many writers at once, doing anything that psql can do, while the sequencer looks without pause: the log holds what
// was committed, once, whole and in order.
import test from 'ava';
import { createRandom } from '../../helpers/random.ts';
import { sequenceUntil, writeAnything } from '../../helpers/random_writers.ts';
import { readLog, withDatabase } from '../../helpers/sql.ts';

const WRITERS = 16;
const TRANSACTIONS = 25;

test(
  'whatever sixteen writers commit is in the log once, whole, in order and without a gap',
  withDatabase(async (t, database) => {
    const random = createRandom(text => t.log(text));
    const leader = await database.psql();
    const ended = { writers: false };
    const sequencer = sequenceUntil(leader, random.fork(), ended);
    const writers = Array.from({ length: WRITERS }, async () =>
      writeAnything(await database.psql(), random.fork(), TRANSACTIONS),
    );
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
