// A PostgreSQL session of one's own: for LISTEN, advisory locks and whatever else lives as long as a connection.
import pg from 'pg';
import { z } from 'zod';
import { ServiceError } from '../errors.ts';
import { speakFor } from './bind_names.ts';
import { appRole, schemasOf } from './names.ts';
import { type Settings, sessionSettings } from './settings.ts';
import { SQLSTATE } from './sqlstate.ts';

/** Where a session goes, of which service, and its name in pg_stat_activity (application_name `<service> <name>`). */
export interface SessionOptions {
  url: string;
  name: string;
  service: string;
  /** Beside those of every session, see settings.ts. */
  settings?: Settings;
  /** What else the driver is to know. */
  config?: pg.ClientConfig;
}

/**
 * How every session is opened. A connection that rests and whose other end has silently gone is found out
 * by TCP keepalive, which starts after 10 s of silence; one on which something was asked, by the missing answer: see
 * askWithin().
 */
export function sessionConfig(options: SessionOptions): pg.ClientConfig {
  const { url, name, service, config } = options;
  return {
    connectionString: url,
    ssl: false, // unless the address says otherwise: not what the environment has for other programs
    application_name: `${service} ${name}`,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    connectionTimeoutMillis: 10_000,
    ...config,
  };
}

/**
 * Makes a connection work as the application's role. Not a start-up option, which poolers refuse. A login role that may
 * not take that role works as itself: the log's own triggers still protect it. So it does where sql/grants.sql has not yet
 * given the role its rights, as when a DBA made the role while the service was running.
 */
export const takeRole = (service: string) => `
  SELECT set_config('role', '${appRole(service)}', false)
  FROM pg_roles AS r
  WHERE r.rolname = '${appRole(service)}' AND pg_has_role(r.oid, 'SET') AND EXISTS (
    SELECT
    FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = '${schemasOf(service).feed}' AND p.proname = 'drift'
      AND has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_function_privilege(r.oid, p.oid, 'EXECUTE'))`;

/** A pool of pg's own, for packages that take nothing else; its connections have the settings of every session. */
export function openSessionPool(options: SessionOptions, max: number): pg.Pool {
  const onConnect = async (client: pg.ClientBase) => {
    await queryWithTimeout(client as pg.Client, SET_WITHIN, sessionSettings(options.settings)); // what pg's pool makes
  };
  return new pg.Pool({ ...sessionConfig(options), max, onConnect });
}

/**
 * Opens a session and sets what every one has, or throws a ServiceError `unavailable` when nothing answers as PostgreSQL.
 * It emits no unhandled 'error': listen for 'end' to learn of its loss; a query then rejects. The caller ends it; `cut`
 * does so at once, also while the session is being opened.
 */
export async function openSession(options: SessionOptions, cut?: AbortSignal): Promise<pg.Client> {
  const client = await openBareSession(options, cut);
  try {
    await queryWithTimeout(client, SET_WITHIN, sessionSettings(options.settings));
    return client;
  } catch (error) {
    await closeSession(client);
    if (error instanceof pg.DatabaseError) throw error;
    throw unanswered(error);
  }
}

const SET_WITHIN = 10_000; // ms

/** The same without any setting: what is set on a connection to a transaction pooler stays behind for others. */
export async function openBareSession(options: SessionOptions, cut?: AbortSignal): Promise<pg.Client> {
  const client = speakFor(options.service, new pg.Client(sessionConfig(options)));
  client.on('error', () => {}); // 'end' follows, and the caller of a query is told
  const destroy = () => destroySession(client);
  cut?.addEventListener('abort', destroy);
  client.once('end', () => cut?.removeEventListener('abort', destroy));
  try {
    cut?.throwIfAborted();
    await client.connect();
    return client;
  } catch (error) {
    cut?.removeEventListener('abort', destroy);
    if (error instanceof pg.DatabaseError) throw error;
    throw unanswered(error);
  }
}

// Refused, timed out, or dropped by whatever stands in front.
function unanswered(cause: unknown): ServiceError {
  return new ServiceError('unavailable', 'the database cannot be reached', { cause });
}

/**
 * Asks, and ends the session if no answer has come after so many milliseconds: that is how a connection is found out
 * that has silently died. No caller waits on it for ever then, and 'end' tells.
 */
export async function queryWithTimeout(
  session: pg.Client,
  milliseconds: number,
  query: string | pg.QueryConfig,
): Promise<pg.QueryResult> {
  const giveUp = setTimeout(() => destroySession(session), milliseconds);
  try {
    return await session.query(query);
  } finally {
    clearTimeout(giveUp);
  }
}

/** Ends a session, also one whose other end no longer answers: after 2 s its socket is simply closed. */
export async function closeSession(session: pg.Client): Promise<void> {
  const giveUp = setTimeout(() => destroySession(session), 2_000);
  await session.end().catch(() => {}); // it is over either way
  clearTimeout(giveUp);
}

/** Closes a session's socket, without a word to the server. */
export function destroySession(session: pg.Client): void {
  session.connection.stream.destroy();
}

/**
 * Whether a session has lost its connection. It is asked: an error that says so has passed through others by then, which
 * keep neither its code nor its kind.
 */
export async function isLost(session: pg.Client): Promise<boolean> {
  try {
    await queryWithTimeout(session, 2_000, 'SELECT 1');
    return false;
  } catch (error) {
    return !(error instanceof pg.DatabaseError && error.code === SQLSTATE.inFailedTransaction);
  }
}

const Standby = z.tuple([z.object({ standby: z.boolean() })]);

/** Throws a ServiceError `unavailable` if the session's server is a standby: it takes no writes and knows no LISTEN. */
export async function refuseStandby(session: pg.Client): Promise<void> {
  const { rows } = await queryWithTimeout(session, 5_000, IS_STANDBY);
  if (Standby.parse(rows)[0].standby) {
    throw new ServiceError('unavailable', 'the database is a standby, which takes no writes');
  }
}

/** Whether the server only follows another one, as `standby`. */
const IS_STANDBY = 'SELECT pg_is_in_recovery() AS standby';
