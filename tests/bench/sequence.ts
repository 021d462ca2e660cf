// Staged events to the log, in the one statement that the sequencer runs, against INSERT INTO … SELECT of the same
// rows into a table with the same columns, constraints and indexes.
import type { Bench, BenchDatabase } from './bench.ts';
import { readLast, stageEvents } from './events.ts';
import { measure, type Row } from './rounds.ts';

const EVENTS = 1_000_000;

// The log begins anew with every round, which its triggers forbid. They fire at no INSERT.
const PREPARE = `
  ALTER TABLE feed.events DISABLE TRIGGER USER;
  ALTER TABLE feed.event_batches DISABLE TRIGGER USER;
  CREATE TABLE bare_events (LIKE feed.events INCLUDING ALL)`;
const EMPTY = `
  TRUNCATE feed.events, feed.event_batches, bare_events;
  INSERT INTO feed.event_batches (last_position, snapshot, at) VALUES (0, '1:1:', now())`;

const OURS = { statement: 'SELECT * FROM feed.sequence_staged(500)', table: 'feed.events' };
const FLOOR = {
  statement: `
    INSERT INTO bare_events (
      position, staged_id, topic, type, subject, time, origin, transaction, requestid, data, previous)
    SELECT id, id, topic, type, subject, time, origin, xid, requestid, data, previous
    FROM feed.staged`,
  table: 'bare_events',
};

export async function sequence({ createDatabase, rounds, scale }: Bench): Promise<Row[]> {
  const events = EVENTS * scale;
  const database = await createDatabase();
  await database.migrate();
  await stageEvents(database, events);
  await database.query(PREPARE);
  const figures = await measure(
    [
      { name: 'ours', run: () => oneRound(database, events, OURS) },
      { name: 'floor', run: () => oneRound(database, events, FLOOR) },
    ],
    rounds,
  );
  const [ours, floor] = [figures.ours?.rate ?? Number.NaN, figures.floor?.rate ?? Number.NaN];
  const figure = `${events} staged events to the log`;
  return [{ figure, ours, floor, unit: 'events/s', target: { atLeast: 0.4 } }];
}

async function oneRound(
  database: BenchDatabase,
  events: number,
  { statement, table }: typeof OURS,
): Promise<{ rate: number }> {
  await database.query(EMPTY);
  await database.query('CHECKPOINT');
  const started = performance.now();
  await database.query(statement);
  const seconds = (performance.now() - started) / 1000;
  const written = await readLast(database, table);
  if (written !== events) throw new Error(`${written} events were written instead of ${events}`);
  return { rate: events / seconds };
}
