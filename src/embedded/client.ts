// The first question to an embedded server: is it ready, is it this folder's, has it our database.
import { realpath } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
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
    const folder = await ask(databaseUrl(port, password), "select current_setting('data_directory')");
    if (folder && (await isSame(folder, paths.cluster))) return true;
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
async function ask(connectionString: string, query: string): Promise<string | undefined> {
  // ssl said here, or PGSSLMODE in the environment would decide.
  const client = new pg.Client({ connectionString, ssl: false, connectionTimeoutMillis: 10_000 });
  // A connection cut between two answers reports here; the query that follows rejects by itself.
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query<string[]>({ text: query, rowMode: 'array' })).rows[0]?.[0];
  } finally {
    await client.end().catch(() => {});
  }
}

async function isSame(one: string, other: string): Promise<boolean> {
  return (await realpath(one)) === (await realpath(other));
}
