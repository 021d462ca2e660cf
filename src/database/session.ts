// A PostgreSQL session of one's own: for LISTEN, advisory locks and whatever else lives as long as a connection.
import pg from 'pg';
import { ServiceError } from '../errors.ts';

/** Where a session goes and what it calls itself in pg_stat_activity (application_name `taskwire <name>`). */
export interface SessionOptions {
  url: string;
  name: string;
}

/**
 * The settings of every long-lived session. A connection whose other end has silently gone is found out: TCP
 * keepalive starts after 10 s of silence, and no query may take longer than `query_timeout` milliseconds.
 */
export function sessionConfig({ url, name }: SessionOptions): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: `taskwire ${name}`,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: 10_000,
  };
}

/**
 * Makes a connection work as the application's role. Not a start-up option, which poolers refuse. Whoever may not take
 * the role works as who they are: the log's own triggers still protect it.
 */
export const TAKE_ROLE = `
  SELECT set_config('role', 'taskwire_app', false)
  FROM pg_roles
  WHERE rolname = 'taskwire_app' AND pg_has_role(oid, 'SET')`;

/**
 * Opens a session, or throws a ServiceError `unavailable` when nobody answers as PostgreSQL. It emits no unhandled 'error': listen for 'end' to learn of its loss; a query then rejects.
 * The caller ends it.
 */
export async function openSession(options: SessionOptions): Promise<pg.Client> {
  const client = new pg.Client(sessionConfig(options));
  client.on('error', () => {}); // 'end' follows, and whoever queries is told
  try {
    await client.connect();
    return client;
  } catch (error) {
    if (error instanceof pg.DatabaseError) throw error;
    // Refused, timed out, or dropped by whatever stands in front: nobody answered.
    throw new ServiceError('unavailable', 'the database cannot be reached', { cause: error });
  }
}

/** Ends a session, also one whose other end no longer answers: after 2 s its socket is simply closed. */
export async function closeSession(session: pg.Client): Promise<void> {
  const giveUp = setTimeout(() => session.connection.stream.destroy(), 2_000);
  await session.end().catch(() => {}); // it is over either way
  clearTimeout(giveUp);
}
