// Events as a benchmark needs them: written to the log by the hundred thousand, and read from it to be compared.
import { LogRow, toEvent } from '../../src/events.ts';
import type { BenchDatabase } from './bench.ts';

const PER_TRANSACTION = 1_000;

/** A statement that inserts so many tasks, each as long as a real one. */
export function insertTasks(count: number): string {
  return `
    INSERT INTO tasks (title, description, labels)
    SELECT 'task ' || n, repeat('what is to be done ', n % 8), ARRAY['bench', 'label ' || n % 100]
    FROM generate_series(1, ${count}) AS n`;
}

/** Stages so many events, copies of a thousand real ones, in transactions of a thousand. Nobody may number meanwhile. */
export async function stageEvents(database: BenchDatabase, count: number): Promise<void> {
  if (count % PER_TRANSACTION > 0) throw new RangeError(`${count} events are no whole transactions`);
  await database.query(insertTasks(PER_TRANSACTION));
  await database.query('CREATE TEMPORARY TABLE sample AS SELECT * FROM feed.staged');
  await database.query(`
    DO $$ BEGIN
      FOR i IN 2..${count / PER_TRANSACTION} LOOP
        INSERT INTO feed.staged (xid, topic, type, subject, time, origin, requestid, data, previous)
        SELECT pg_current_xact_id(), topic, type, subject, clock_timestamp(), origin, requestid, data, previous
        FROM sample;
        COMMIT;
      END LOOP;
    END $$`);
  await database.query('VACUUM ANALYZE feed.staged');
}

/** The last position of the log, or of a table like it, once it is known to begin at 1 and to have no gap. */
export async function readLast(database: BenchDatabase, table = 'feed.events'): Promise<number> {
  const { rows } = await database.query(`
    SELECT count(*)::integer AS count, coalesce(min(position), 1)::integer AS first,
      coalesce(max(position), 0)::integer AS last
    FROM ${table}`);
  const [{ count, first, last }] = rows;
  if (first !== 1 || count !== last)
    throw new Error(`${count} events have the positions ${first} to ${last}`);
  return last;
}

/** So many events after a position, as every client gets them. */
export async function readEvents(database: BenchDatabase, after: number, count: number): Promise<string[]> {
  const { rows } = await database.query(`
    SELECT position::integer AS position, topic, type, subject, feed.rfc3339(time) AS time, origin,
      transaction::text AS transaction, requestid, data::text AS data, previous::text AS previous, entity
    FROM feed.events WHERE position > ${after} AND position <= ${after + count} ORDER BY feed.events.position`);
  return rows.map(row => toEvent(LogRow.parse(row)).json);
}
