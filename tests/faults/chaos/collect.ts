// Reads what the database holds once all is quiet: the log, the tasks, what verify and prove say, and how numbering went.
import type pg from 'pg';
import { LogRow, toEvent } from '../../../src/events.ts';
import { digestOf, type History, type LogEvent } from './history.ts';

export type Stored = Pick<History, 'events' | 'log' | 'ends' | 'table' | 'verified' | 'proved'> & {
  numbering: Numbering;
};

/** How long numbering took. Times are milliseconds, of the epoch where they are moments. */
export interface Numbering {
  /** When each batch was numbered, ascending. */
  batches: readonly number[];
  /** From each event's commit until it had a position, ascending. */
  waits: readonly number[];
}

const PAGE = 10_000;

/** Everything in one snapshot but the verification and the proof, for all is quiet; undefined while something committed is still without a position. */
export async function collect(session: pg.Client): Promise<Stored | undefined> {
  await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const { rows } = await session.query(`
    SELECT
      (SELECT count(*)::integer FROM feed.staged AS s
       WHERE NOT EXISTS (SELECT FROM feed.events AS e WHERE e.staged_id = s.id)) AS waiting,
      (SELECT id::text FROM feed.log) AS log,
      (SELECT coalesce(json_object_agg(id, last_position), '{}') FROM feed.epochs) AS ends`);
  const { waiting, log, ends } = rows[0];
  const stored = waiting > 0 ? undefined : await read(session);
  await session.query('COMMIT');
  if (!stored) return undefined;
  const faults = await session.query('SELECT * FROM feed.verify()'); // takes a snapshot of its own
  const verified = faults.rows.map(row => JSON.stringify(row));
  const against = await session.query(`
    SELECT f.* FROM (SELECT max(last_position) AS head FROM feed.event_batches) AS b, feed.prove(0, b.head) AS f`);
  const proved = against.rows.map(row => JSON.stringify(row));
  return { ...stored, verified, proved, log, ends: new Map(Object.entries(ends)) };
}

async function read(session: pg.Client): Promise<Omit<Stored, 'verified' | 'proved' | 'log' | 'ends'>> {
  const tasks = await session.query('SELECT id, feed.render(t)::text AS data FROM public.tasks AS t');
  return {
    events: await readEvents(session),
    table: new Map(tasks.rows.map(({ id, data }) => [id, data])),
    numbering: await readNumbering(session),
  };
}

async function readEvents(session: pg.Client): Promise<LogEvent[]> {
  const events: LogEvent[] = [];
  for (;;) {
    const { rows } = await session.query(
      `SELECT position::integer, staged_id::integer, topic, type, subject, feed.rfc3339(time) AS time, origin,
         transaction::text, requestid, data::text, previous::text, entity, (data ->> 'version')::integer AS version
       FROM feed.events WHERE position > $1 ORDER BY position LIMIT $2`,
      [events.at(-1)?.position ?? 0, PAGE],
    );
    if (rows.length === 0) return events;
    for (const { staged_id, version, ...row } of rows) {
      const {
        position,
        topic,
        type,
        subject,
        time,
        transaction,
        requestid: tag,
        data,
        previous,
      } = LogRow.parse(row);
      const digest = digestOf(toEvent(row).json);
      events.push({
        position,
        stagedId: staged_id,
        topic,
        type,
        subject,
        time,
        transaction,
        tag,
        version,
        data: data ?? '',
        previous,
        digest,
      });
    }
  }
}

async function readNumbering(session: pg.Client): Promise<Numbering> {
  const milliseconds = (timestamp: string) => `(extract(epoch FROM ${timestamp}) * 1000)::float8`;
  const batches = await session.query(
    `SELECT ${milliseconds('at')} AS at FROM feed.event_batches ORDER BY id`,
  );
  const waits = await session.query(`
    SELECT ${milliseconds('b.at - pg_xact_commit_timestamp(e.transaction::xid)')} AS wait
    FROM (SELECT at, last_position, lag(last_position) OVER (ORDER BY id) AS before FROM feed.event_batches) AS b
    JOIN feed.events AS e ON e.position > b.before AND e.position <= b.last_position
    ORDER BY wait`);
  return { batches: batches.rows.map(row => row.at), waits: waits.rows.map(row => row.wait) };
}
