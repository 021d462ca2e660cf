// Reads what the database holds once all is quiet: the log, the tasks, what verify and prove say, and how numbering went.
import type pg from 'pg';
import { z } from 'zod';
import { createArchive } from '../../../src/archive/archive.ts';
import { LogRow, toEvent } from '../../../src/events.ts';
import { digestOf, type History, type LogEvent } from './history.ts';

export type Stored = Pick<History, 'events' | 'log' | 'ends' | 'table' | 'verified' | 'proved'> & {
  numbering: Numbering;
  /** How many of the events are in the archive alone. */
  archived: number;
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
export async function collect(session: pg.Client, archive: string | undefined): Promise<Stored | undefined> {
  await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const { rows } = await session.query(`
    SELECT
      (SELECT count(*)::integer FROM feed.staged AS s
       WHERE NOT EXISTS (SELECT FROM feed.events AS e WHERE e.staged_id = s.id)) AS waiting,
      (SELECT id::text FROM feed.log) AS log,
      (SELECT coalesce(json_object_agg(id, last_position), '{}') FROM feed.epochs) AS ends`);
  const { waiting, log, ends } = rows[0];
  const stored = waiting > 0 ? undefined : await read(session, archive);
  await session.query('COMMIT');
  if (!stored) return undefined;
  const faults = await session.query('SELECT * FROM feed.verify()'); // takes a snapshot of its own
  const verified = faults.rows.map(row => JSON.stringify(row));
  const against = await session.query(`
    SELECT f.* FROM (SELECT max(last_position) AS head FROM feed.event_batches) AS b, feed.prove(0, b.head) AS f`);
  const proved = against.rows.map(row => JSON.stringify(row));
  return { ...stored, verified, proved, log, ends: new Map(Object.entries(ends)) };
}

async function read(
  session: pg.Client,
  archive: string | undefined,
): Promise<Omit<Stored, 'verified' | 'proved' | 'log' | 'ends'>> {
  const archived = await readArchived(session, archive);
  const tasks = await session.query('SELECT id, feed.render(t)::text AS data FROM public.tasks AS t');
  return {
    events: [...archived, ...(await readEvents(session))],
    archived: archived.length,
    table: new Map(tasks.rows.map(({ id, data }) => [id, data])),
    numbering: await readNumbering(session),
  };
}

const Files = z.array(z.object({ first: z.number(), last: z.number(), log: z.string(), sha256: z.string() }));

// What the database has no longer. In a file the staged ids are no more: the order is the log's, and before all that follows.
async function readArchived(session: pg.Client, folder: string | undefined): Promise<LogEvent[]> {
  if (folder === undefined) return [];
  const archive = createArchive(folder);
  const { rows } = await session.query(`
    SELECT f.first::float8 AS first, f.last::float8 AS last, f.log::text AS log, encode(f.sha256, 'hex') AS sha256
    FROM feed.archive_files AS f
    WHERE f.last < (SELECT min(e.position) FROM feed.events AS e)
    ORDER BY f.first`);
  const events: LogEvent[] = [];
  for (const file of Files.parse(rows)) {
    for (let after = file.first - 1; after < file.last; ) {
      const page = await archive.read(file, after, file.last);
      events.push(...page.map(row => toLogEvent(row, row.position - FAR_BEFORE)));
      after = page.at(-1)?.position ?? file.last;
    }
  }
  return events;
}

const FAR_BEFORE = 1e12;

function toLogEvent({ requestid: tag, ...row }: LogRow, stagedId: number): LogEvent {
  const { position, topic, type, subject, time, transaction, data, previous } = row;
  const { version = null } = JSON.parse(data ?? '{}');
  const digest = digestOf(toEvent({ requestid: tag, ...row }).json);
  return {
    ...{ position, stagedId, topic, type, subject, time, transaction, tag, digest },
    ...{ version: typeof version === 'number' ? version : null, data: data ?? '', previous },
  };
}

async function readEvents(session: pg.Client): Promise<LogEvent[]> {
  const events: LogEvent[] = [];
  for (;;) {
    const { rows } = await session.query(
      `SELECT position::integer, staged_id::integer, topic, type, subject, feed.rfc3339(time) AS time, origin,
         transaction::text, requestid, data::text, previous::text, entity
       FROM feed.events WHERE position > $1 ORDER BY position LIMIT $2`,
      [events.at(-1)?.position ?? 0, PAGE],
    );
    if (rows.length === 0) return events;
    for (const { staged_id, ...row } of rows) events.push(toLogEvent(LogRow.parse(row), staged_id));
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
