// feed.prove() is silent on every log that the sequencer made, and names whatever in it cannot be true.
import test from 'ava';
import type pg from 'pg';
import { createRandom } from '../../helpers/random.ts';
import { sequenceUntil, writeAnything } from '../../helpers/random_writers.ts';
import { readValue, sequence, withDatabase } from '../../helpers/sql.ts';

interface Fault {
  position: number | null;
  fault: string;
}

const MUCH = 1_000_000;

async function prove(session: pg.Client, after = 0, through = MUCH): Promise<Fault[]> {
  const { rows } = await session.query(
    'SELECT position::integer, fault FROM feed.prove($1, $2) ORDER BY 1, 2',
    [after, through],
  );
  return rows;
}

// As the command asks, but in pieces that end in the middle of batches.
async function proveInPieces(session: pg.Client, step: number): Promise<Fault[]> {
  const faults: Fault[] = [];
  const last = await readValue<number>(
    session,
    'SELECT greatest(max(position), max(last_position))::integer FROM feed.events, feed.event_batches',
  );
  for (let after = 0; after < last; after += step)
    faults.push(...(await prove(session, after, after + step)));
  return faults;
}

const insert = (title: string) => `INSERT INTO tasks (title) VALUES ('${title}')`;
const NEW_LOG = 'SELECT feed.new_log()';

test(
  'it finds nothing in what many writers made, while they write and afterwards, in new logs and in old ones',
  withDatabase(async (t, database) => {
    const random = createRandom(text => t.log(text));
    const [leader, session] = [await database.psql(), await database.psql()];
    const people = await Promise.all(Array.from({ length: 8 }, () => database.psql()));
    for (let log = 0; log < 3; log++) {
      const ended = { writers: false };
      const sequencer = sequenceUntil(leader, random.fork(), ended);
      const writers = Promise.all(people.map(person => writeAnything(person, random.fork(), 10)));
      const writing = writers.finally(() => (ended.writers = true));
      while (!ended.writers) t.deepEqual(await prove(session), []);
      await Promise.all([writing, sequencer]);
      if (log !== 1) await sequence(leader); // a new log numbers what is left, or has nothing to number
      t.deepEqual(await prove(session), []);
      t.deepEqual(await proveInPieces(session, 1 + random.below(40)), []);
      await session.query(NEW_LOG);
      t.deepEqual(await prove(session), []);
    }
  }),
);

test(
  'what another cluster left is not judged by the snapshots of this one, and what comes after it is',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`INSERT INTO tasks (title) VALUES ('there'), ('too')`);
    await sequence(session);
    // Of a cluster that was far ahead: it has seen whatever this one will do, and left something that this one will not.
    await tamper(session, `UPDATE feed.event_batches SET snapshot = '5000000:5000000:' WHERE ${LAST_BATCH}`);
    await session.query(`INSERT INTO tasks (title) VALUES ('left'), ('too')`);
    await session.query(`
      ALTER TABLE feed.staged DISABLE TRIGGER staged_never_changes;
      UPDATE feed.staged SET xid = '5000001' WHERE NOT EXISTS (SELECT FROM feed.events WHERE staged_id = id);
      ALTER TABLE feed.staged ENABLE ALWAYS TRIGGER staged_never_changes`);
    await session.query(insert('here, before the new log'));
    await session.query(NEW_LOG);
    t.deepEqual(await prove(session), []);
    await session.query(`UPDATE tasks SET status = 'done' WHERE title = 'left'`);
    await sequence(session);
    t.deepEqual(await prove(session), []);
    await tamper(session, `${tellAs(`'9999999'`, 6)}; ${exchangeStaged(1, 2)}`);
    t.deepEqual(
      (await prove(session)).map(({ position }) => position),
      [6], // 1 and 2 are of a former log
    );
    await session.query(NEW_LOG);
    t.deepEqual(await prove(session), []); // now all of them are
  }),
);

test(
  'a snapshot that ends before the one before it is named, also if it sees its own events',
  withDatabase(async (t, database) => {
    const [session, slow] = [await database.psql(), await database.psql()];
    await session.query(insert('a'));
    await sequence(session);
    await slow.query(`BEGIN; ${insert('slow')}`);
    await session.query(insert('b'));
    await sequence(session);
    await slow.query('COMMIT');
    await sequence(session);
    t.deepEqual(await prove(session), []);
    await tamper(
      session,
      `UPDATE feed.event_batches
       SET snapshot = format('%1$s:%1$s:', ${transactionAt(3)}::text::bigint + 1)::pg_snapshot
       WHERE ${LAST_BATCH}`,
    );
    await session.query('DELETE FROM feed.staged');
    const [found, ...others] = await prove(session);
    t.deepEqual([found?.position, others], [3, []]);
    t.regex(found?.fault ?? '', /^the snapshot of the batch that ends at 3 does not see all/);
  }),
);

test(
  'a log whose first events and batches were taken away is proved from there on',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await makeLog(session, await database.psql());
    await tamper(session, 'DELETE FROM feed.event_batches WHERE last_position < 7');
    t.deepEqual(await proveInPieces(session, 3), []);
    await tamper(session, 'DELETE FROM feed.events WHERE position < 6');
    t.deepEqual(await prove(session), []);
    t.deepEqual(await proveInPieces(session, 3), []);
    await tamper(session, 'UPDATE feed.events SET transaction = 3::text::xid8 WHERE position = 9');
    t.deepEqual(
      (await prove(session)).map(({ position }) => position),
      [9],
    );
  }),
);

test(
  'the role that only reads may ask',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await makeLog(session, await database.psql());
    await session.query('SET ROLE taskwire_reader');
    t.deepEqual(await prove(session), []);
  }),
);

// Three batches: 1–4; 5 of one transaction and 6–7 of another that began before it; 8, 9 and 10–11 of three.
async function makeLog(session: pg.Client, other: pg.Client): Promise<void> {
  await session.query(`INSERT INTO tasks (title) VALUES ('a'), ('b'), ('c'), ('d')`);
  await sequence(session);
  await session.query(`BEGIN; ${insert('f')}`);
  await other.query(insert('e'));
  await session.query(`UPDATE tasks SET status = 'done' WHERE title = 'f'; COMMIT`);
  await sequence(session);
  await session.query(`DELETE FROM tasks WHERE title = 'a'`);
  await session.query(insert('g'));
  await session.query(`INSERT INTO tasks (title) VALUES ('h'), ('i')`);
  await sequence(session);
  await session.query('DELETE FROM feed.staged');
}

// Behind the triggers' back.
async function tamper(session: pg.Client, statements: string): Promise<void> {
  for (const table of ['events', 'event_batches'])
    await session.query(`ALTER TABLE feed.${table} DISABLE TRIGGER ALL`);
  await session.query(statements);
  for (const table of ['events', 'event_batches'])
    await session.query(`ALTER TABLE feed.${table} ENABLE TRIGGER ALL`);
}

const transactionAt = (position: number) =>
  `(SELECT transaction FROM feed.events WHERE position = ${position})`;
const tellAs = (to: string, at: number) =>
  `UPDATE feed.events SET transaction = ${to} WHERE position = ${at}`;
const tellVersion = (version: number, at: number) =>
  `UPDATE feed.events SET data = regexp_replace(data::text, '"version":\\d', '"version":${version}')::json
   WHERE position = ${at}`;
const exchangeStaged = (one: number, two: number) => `
  ALTER TABLE feed.events_1 DROP CONSTRAINT events_1_staged_id_key;
  UPDATE feed.events AS e SET staged_id = o.staged_id
  FROM feed.events AS o
  WHERE (e.position, o.position) IN ((${one}, ${two}), (${two}, ${one}))`;
const LAST_BATCH = 'id = (SELECT max(id) FROM feed.event_batches)';

const FAULTS: Record<string, [statements: string, position: number | null, fault: RegExp]> = {
  'a position that is missing': ['DELETE FROM feed.events WHERE position = 9', 9, /^position 9 is missing$/],
  'several, at the end': [
    'DELETE FROM feed.events WHERE position > 9',
    10,
    /^positions 10 to 11 are missing$/,
  ],
  'the whole log': ['DELETE FROM feed.events', 1, /^positions 1 to 11 are missing$/],
  'events that no batch holds': [
    `DELETE FROM feed.event_batches WHERE ${LAST_BATCH}`,
    8,
    /^positions 8 to 11 stand in no batch$/,
  ],
  'a transaction that had not ended': [
    tellAs(`'9999999'`, 5),
    5,
    /^transaction 9999999 is not seen by the snapshot of its batch, which ends at 7$/,
  ],
  'a transaction that was numbered too late': [
    tellAs(transactionAt(5), 9),
    9,
    /^transaction \d+ is of an earlier batch: .* ends at 11, sees it$/,
  ],
  'a transaction that goes on in the next batch': [
    tellAs(transactionAt(7), 8),
    8,
    /^transaction \d+ is of an earlier batch/,
  ],
  'a transaction in pieces': [
    tellAs(transactionAt(8), 11),
    8,
    /^transaction \d+ stands in 2 pieces in the batch that ends at 11$/,
  ],
  'a transaction in another order': [
    exchangeStaged(10, 11),
    11,
    /^transaction \d+ goes on with what it had staged before$/,
  ],
  'transactions in another order': [
    exchangeStaged(8, 9),
    9,
    /^transaction \d+ comes after one that staged its last change later$/,
  ],
  'a snapshot that has forgotten': [
    `UPDATE feed.event_batches
     SET snapshot = format('%s:%s:%1$s', ${transactionAt(5)}, pg_snapshot_xmax(snapshot))::pg_snapshot
     WHERE ${LAST_BATCH}`,
    11,
    /^the snapshot of the batch that ends at 11 does not see all that the one before it saw$/,
  ],
  'a version that was skipped': [
    tellVersion(3, 7),
    7,
    /^version 3 of tasks [0-9a-f-]{36} follows version 1$/,
  ],
  'a deletion of a version that never was': [
    tellVersion(2, 8),
    8,
    /^version 2 of tasks [0-9a-f-]{36} follows version 1$/,
  ],
  'a staged change that counts as numbered': [
    `INSERT INTO feed.staged (xid, topic, type, subject, "time", origin, data)
     SELECT transaction, topic, type, subject, "time", origin, data FROM feed.events WHERE position = 9`,
    null,
    /^tasks [0-9a-f-]{36}: transaction \d+ counts as numbered, and its staged task_created stands in no event$/,
  ],
};

for (const [what, [statements, position, fault]] of Object.entries(FAULTS))
  test(
    `${what}, made behind the triggers’ back: it names it, and nothing else`,
    withDatabase(async (t, database) => {
      const session = await database.psql();
      await makeLog(session, await database.psql());
      t.deepEqual(await prove(session), []);
      await tamper(session, statements);
      const found = await prove(session);
      t.deepEqual(
        found.map(row => row.position),
        [position],
      );
      t.regex(found[0]?.fault ?? '', fault);
      if (/are missing|no batch/.test(fault.source)) return; // each piece tells of its own
      for (const step of [4, 6]) t.deepEqual(await proveInPieces(session, step), found);
    }),
  );

test(
  'what spans pieces is told by each or by the one in which its batch ends',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await makeLog(session, await database.psql());
    await tamper(session, `${tellVersion(2, 8)}; ${tellAs(transactionAt(8), 11)}`);
    t.deepEqual(
      (await prove(session, 7, 10)).map(row => row.position),
      [8], // against the version that it had before the piece
    );
    t.deepEqual(
      (await prove(session, 10, 11)).map(row => row.fault.replace(/\d+/, '…')),
      ['transaction … stands in 2 pieces in the batch that ends at 11'],
    );
    t.deepEqual(await prove(session, 0, 7), []);
  }),
);
