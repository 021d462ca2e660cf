// `after=0` over a whole log, by one socket and by fifty at once, against COPY of the same rows to Node: what
// PostgreSQL can give at most. The receivers refuse a position that does not follow the last.
import type pg from 'pg';
import { LOG_COLUMNS } from '../../src/queries/log.ts';
import { type Running, startService } from '../helpers/process.ts';
import type { Bench, BenchDatabase } from './bench.ts';
import { readLast, stageEvents } from './events.ts';
import { openReceivers } from './receivers.ts';
import { measure, type Row } from './rounds.ts';

const EVENTS = 1_000_000;
const SOCKETS = 50;

export async function catchUp({ createDatabase, rounds, scale }: Bench): Promise<Row[]> {
  const events = EVENTS * scale;
  const database = await createDatabase();
  await database.migrate();
  await stageEvents(database, events);
  await database.query('SELECT feed.sequence_staged(0)');
  await database.query('VACUUM ANALYZE feed.events');
  const last = await readLast(database);
  if (last !== events) throw new Error(`the log has ${last} events instead of ${events}`);
  const service = await startService(database.url);
  try {
    const figures = await measure(
      [
        { name: 'one', run: () => readBySockets(service, 1, events) },
        { name: 'floor', run: () => copy(database, events) },
        { name: 'fifty', run: () => readBySockets(service, SOCKETS, events) },
      ],
      rounds,
    );
    const row = (name: string, figure: string, atLeast: number): Row => {
      const [ours, floor] = [figures[name]?.rate ?? Number.NaN, figures.floor?.rate ?? Number.NaN];
      return { figure: `${events} events, ${figure}`, ours, floor, unit: 'events/s', target: { atLeast } };
    };
    return [row('one', 'one socket', 0.4), row('fifty', `${SOCKETS} sockets together`, 1)];
  } finally {
    await service.stop();
  }
}

async function readBySockets({ address }: Running, count: number, events: number): Promise<{ rate: number }> {
  const started = performance.now();
  const receivers = await openReceivers(address, { path: '/ws/tasks?after=0', count, after: 0 });
  await receivers.reach(events);
  const seconds = (performance.now() - started) / 1000;
  receivers.close();
  return { rate: (events * count) / seconds };
}

async function copy({ session }: BenchDatabase, events: number): Promise<{ rate: number }> {
  const started = performance.now();
  const rows = await countCopied(
    session,
    `COPY (SELECT ${LOG_COLUMNS.sql} FROM feed.events ORDER BY position) TO STDOUT`,
  );
  const seconds = (performance.now() - started) / 1000;
  if (rows !== events) throw new Error(`${rows} rows were copied instead of ${events}`);
  return { rate: rows / seconds };
}

// pg passes each row of a COPY on to the query that is under way; its own Query has no use for them.
function countCopied(session: pg.Client, text: string): Promise<number> {
  return new Promise((resolve, reject) => {
    let rows = 0;
    const copying = {
      submit: (connection: pg.Connection) => connection.query(text),
      handleCopyData: () => rows++,
      handleCommandComplete: () => {},
      handleReadyForQuery: () => resolve(rows),
      handleError: reject,
    };
    session.query(copying);
  });
}
