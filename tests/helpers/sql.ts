// What the tests of the database layer share: a database for each, what a refused statement said, and the sequencer
// by hand.
import type { ExecutionContext } from 'ava';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from './database.ts';

export interface Logged {
  position: number;
  topic: string;
  type: string;
  subject: string;
  origin: string;
  transaction: string;
  requestid: string | null;
  data: Record<string, unknown>;
  previous: Record<string, unknown> | null;
}

/** Gives a test a database of its own and takes it away again. */
export function withDatabase(body: (t: ExecutionContext, database: TestDatabase) => Promise<void>) {
  return async (t: ExecutionContext): Promise<void> => {
    const database = await createTestDatabase();
    try {
      await body(t, database);
    } finally {
      await database.drop();
    }
  };
}

/** What PostgreSQL said to a statement that it must refuse; an Error if it accepted it. */
export async function refusal(statement: Promise<unknown>): Promise<pg.DatabaseError> {
  try {
    await statement;
  } catch (error) {
    if (error instanceof pg.DatabaseError) return error;
    throw error;
  }
  throw new Error('the statement was accepted');
}

const UNNUMBERED = 'SELECT EXISTS (SELECT FROM feed.topics AS t CROSS JOIN LATERAL feed.unnumbered(t.topic))';

/** Numbers what has committed, as the sequencer does, and returns it. Where an instance leads, it resolves when that one has. */
export async function sequence(session: pg.Client): Promise<Logged[]> {
  let rows = await look(session);
  // Beside a leader there is nothing to number, only to wait; what commits in between is numbered here or there.
  while (rows.length === 0 && (await readValue<boolean>(session, UNNUMBERED))) rows = await look(session);
  const { position = 0, last_position = 0 } = rows.at(-1) ?? {};
  // What is more than a page is left in the log.
  const { rows: rest } = await session.query(
    `SELECT *, data::text, previous::text FROM feed.events WHERE position > $1 AND position <= $2 ORDER BY position`,
    [position, last_position],
  );
  return [...rows, ...rest].map(toLogged);
}

async function look(session: pg.Client) {
  return (await session.query('SELECT * FROM feed.sequence_staged(1000000)')).rows;
}

/** The whole log, numbered up to now. */
export async function readLog(session: pg.Client): Promise<Logged[]> {
  await sequence(session);
  const { rows } = await session.query(
    'SELECT *, data::text, previous::text FROM feed.events ORDER BY position',
  );
  return rows.map(toLogged);
}

/** Resolves once the backend waits for somebody else's lock. */
export async function untilBlocked(observer: pg.Client, pid: number): Promise<void> {
  for (;;) {
    const { rows } = await observer.query('SELECT cardinality(pg_blocking_pids($1)) > 0 AS blocked', [pid]);
    if (rows[0].blocked) return;
  }
}

export async function pidOf(session: pg.Client): Promise<number> {
  return readValue(session, 'SELECT pg_backend_pid()');
}

/** The one value of a query's one row. */
export async function readValue<Value>(
  session: pg.Client,
  query: string,
  values: unknown[] = [],
): Promise<Value> {
  const { rows } = await session.query({ text: query, values, rowMode: 'array' });
  return rows[0]?.[0] as Value;
}

function toLogged(row: Record<string, string>): Logged {
  const parse = (text: string | null | undefined) => (text == null ? null : JSON.parse(text));
  return {
    position: Number(row.position),
    topic: row.topic ?? '',
    type: row.type ?? '',
    subject: row.subject ?? '',
    origin: row.origin ?? '',
    transaction: row.transaction ?? '',
    requestid: row.requestid ?? null,
    data: parse(row.data),
    previous: parse(row.previous),
  };
}

/** Lets the log go up to a position, as retention does: the floor rises, and its events are gone. */
export async function shortenLog(session: pg.Client, floor: number): Promise<void> {
  await session.query(`
    BEGIN;
    UPDATE feed.log SET floor = ${floor};
    ALTER TABLE feed.events DISABLE TRIGGER events_append_only;
    DELETE FROM feed.events WHERE position <= ${floor};
    ALTER TABLE feed.events ENABLE ALWAYS TRIGGER events_append_only;
    COMMIT`);
}
