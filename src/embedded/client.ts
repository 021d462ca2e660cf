// The first question to an embedded server: is it ready, is it this folder's, has it our database.
import { realpath } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { z } from 'zod';
import { SQLSTATE } from '../postgres/sqlstate.ts';
import type { ClusterPaths } from './cluster.ts';
import { processStamp } from './process.ts';
import type { RunningServer } from './server.ts';

// Starting or stopping; refused; reset by a server that goes down, by its words or by its silence.
const NOT_NOW: ReadonlySet<string> = new Set([
  SQLSTATE.cannotConnectNow,
  SQLSTATE.adminShutdown,
  SQLSTATE.crashShutdown,
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
]);
// Two that create it at once: the second finds the name, or only the index entry of it, taken.
const CREATED_MEANWHILE: ReadonlySet<string> = new Set([SQLSTATE.databaseExists, SQLSTATE.uniqueViolation]);

// A role that a person makes on this server gets into the database when it is let in, and not by being there: an advisory lock
// is open to every role that may connect. Only where nobody has granted anything yet, so that a person's GRANT stays; and
// one at a time, for two cannot write the row at once.
const CLOSE = `
  do $$
  begin
    perform pg_advisory_xact_lock(hashtextextended('taskwire:close', 0));
    if (select datacl is null from pg_database where datname = current_database()) then
      revoke connect on database taskwire from public;
    end if;
  end
  $$`;
const LOOK = `
  select json_build_object('folder', current_setting('data_directory'), 'open', datacl is null)
  from pg_database
  where datname = current_database()`;
const Found = z.object({ folder: z.string(), open: z.boolean() });

/** The address as `pg` and `psql` take it. The password is of characters that need no escape. */
export function databaseUrl(port: number, password: string, database = 'taskwire'): string {
  return `postgresql://taskwire:${password}@127.0.0.1:${port}/${database}`;
}

/**
 * Waits until the server answers, however long it recovers, and makes the database if it has none yet. False when the
 * server went away meanwhile. Rejects when it is not this folder's server.
 */
export async function untilReady(
  server: RunningServer,
  paths: ClusterPaths,
  password: string,
): Promise<boolean> {
  for (;;) {
    if (await answers(server, paths, password)) return true;
    if ((await processStamp(server.pid)) !== server.stamp) return false;
    await delay(20);
  }
}

async function answers({ port }: RunningServer, paths: ClusterPaths, password: string): Promise<boolean> {
  try {
    const { folder, open } = Found.parse(await ask(databaseUrl(port, password), LOOK));
    if (await isSame(folder, paths.cluster)) {
      if (open) await ask(databaseUrl(port, password), CLOSE);
      return true;
    }
    throw new Error(`The server on port ${port} has its data in ${folder}, not in ${paths.cluster}`);
  } catch (error) {
    const code = (error as { code?: string }).code ?? '';
    if (NOT_NOW.has(code)) return false;
    // It lives, and it knew the password before it looked for a place; the next process has to wait for one as usual.
    if (code === SQLSTATE.tooManyConnections) return true;
    if (code === SQLSTATE.wrongPassword)
      throw new Error(`The server does not accept ${paths.password}`, { cause: error });
    if (code !== SQLSTATE.noSuchDatabase) throw error;
    await createDatabase(databaseUrl(port, password, 'postgres'));
    return false;
  }
}

async function createDatabase(url: string): Promise<void> {
  await ask(url, 'create database taskwire').catch((error: { code?: string }) => {
    if (!CREATED_MEANWHILE.has(error.code ?? '')) throw error;
  });
}

// Gives the first value of the first row.
async function ask(connectionString: string, query: string): Promise<unknown> {
  // ssl said here, or PGSSLMODE in the environment would decide.
  const client = new pg.Client({ connectionString, ssl: false, connectionTimeoutMillis: 10_000 });
  // A connection cut between two answers reports here; the query that follows rejects by itself.
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query<unknown[]>({ text: query, rowMode: 'array' })).rows[0]?.[0];
  } finally {
    await client.end().catch(() => {});
  }
}

async function isSame(one: string, other: string): Promise<boolean> {
  return (await realpath(one)) === (await realpath(other));
}
