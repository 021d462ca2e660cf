// The log in partitions: there is always one more, readers and writers never wait for it, and each is guarded.
import test from 'ava';
import { readValue, refusal, sequence, withDatabase } from '../../helpers/sql.ts';

const PARTITIONS = `
  SELECT string_agg(format('%s %s–%s', relation, first, last), ', ' ORDER BY first) FROM feed.partitions()`;
const SMALL = 'UPDATE feed.log SET partition_size = 1000; SELECT feed.add_partitions(10000001)';

test(
  'partitions are made up to a position and not beyond, one after the other, wider from the twelfth on',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    t.is(await readValue(session, PARTITIONS), 'feed.events_1 1–10000000');
    t.is(await readValue(session, 'SELECT feed.add_partitions(10000000)'), 0);
    await session.query('UPDATE feed.log SET partition_size = 1000');
    t.is(await readValue(session, 'SELECT feed.add_partitions(10000001)'), 1);
    t.is(
      await readValue(session, PARTITIONS),
      'feed.events_1 1–10000000, feed.events_10000001 10000001–10001000',
    );
    t.is(await readValue(session, 'SELECT feed.add_partitions(10000001 + 100 * 1000)'), 15);
    const widths = await readValue(
      session,
      'SELECT array_agg((last - first + 1)::integer ORDER BY first) FROM feed.partitions() WHERE first > 1',
    );
    t.deepEqual(widths, [...Array(10).fill(1000), 2000, 4000, 8000, 16000, 32000, 64000]);
  }),
);

test(
  'a partition is made beside sessions that are in the middle of reading and writing the log',
  withDatabase(async (t, database) => {
    const [session, reader, writer] = [await database.psql(), await database.psql(), await database.psql()];
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM feed.events');
    await writer.query(`BEGIN; INSERT INTO tasks (title) VALUES ('x'); SELECT FROM feed.events`);
    await session.query(`SET lock_timeout = '20s'`);
    await session.query(SMALL);
    await writer.query('COMMIT');
    t.is((await sequence(session)).length, 1);
    await reader.query('COMMIT');
  }),
);

test(
  'no guard of the log is missing on a partition that was added',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(SMALL);
    for (const statement of ['TRUNCATE feed.events_10000001', 'TRUNCATE feed.events'])
      t.is((await refusal(session.query(statement))).constraint, 'events_append_only', statement);
    await session.query('ALTER TABLE feed.events_10000001 DISABLE TRIGGER events_append_only_truncate');
    t.regex(
      String(await readValue(session, `SELECT string_agg(fault, ' ') FROM feed.drift()`)),
      /the trigger events_append_only_truncate of feed.events_10000001 does not fire always/,
    );
  }),
);

test(
  'feed.new_log() makes the partitions that it needs',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`INSERT INTO tasks (title) SELECT 'x' FROM generate_series(1, 3)`);
    await session.query(
      `INSERT INTO feed.event_batches (last_position, snapshot, at) VALUES (9999999, '1:1:', now())`,
    );
    await session.query('SELECT feed.new_log()');
    t.is(await readValue(session, 'SELECT max(position)::integer FROM feed.events'), 10_000_002);
    t.regex(String(await readValue(session, PARTITIONS)), /10000001–20000000$/);
  }),
);
