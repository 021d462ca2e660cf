// Brings a database to what this version of the service works with: migrations, then graphile-worker's schema,
// then sql/, under one lock, so that any number of instances may start at once.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { sep } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runMigrations } from 'graphile-worker';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { z } from 'zod';
import type { Logger } from '../logger.ts';
import { isAway, unavailable } from './errors.ts';
import { DEFAULT_SERVICE, rewriteQueries, schemasOf } from './names.ts';
import { explainRefusal, refuseUnfit } from './preflight.ts';
import { closeSession, isLost, openSession, openSessionPool } from './session.ts';
import { SQLSTATE } from './sqlstate.ts';

const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url));
const SQL = fileURLToPath(new URL('../../sql', import.meta.url));
// A lock that was not to be had in time, and a deadlock with writers, who lock the tables in an order of their own.
const LOCKED: ReadonlySet<string> = new Set([SQLSTATE.lockNotAvailable, SQLSTATE.deadlock]);
const ATTEMPTS = 30;
const TURN_EVERY = 200; // ms
const STRANGER_AFTER = 5; // tries

/**
 * Migrates the database at `url` (a session-level address) and re-applies sql/ if its content changed.
 * Idempotent. Throws a ServiceError for a server or database the service cannot work with.
 */
export async function migrate(options: {
  url: string;
  service?: string;
  logger: Logger;
  /** Ends it at once, whatever it waits for; then it throws. */
  signal?: AbortSignal;
}): Promise<void> {
  const { service = DEFAULT_SERVICE } = options;
  await prepare({ ...options, service }).catch((error: unknown) => {
    throw explainRefusal(error, service);
  });
}

interface Target {
  url: string;
  service: string;
  logger: Logger;
  signal?: AbortSignal;
}

async function prepare({ url, service, logger, signal }: Target): Promise<void> {
  const client = await openSession({ url, service, name: 'migrate' }, signal);
  try {
    const warning = await refuseUnfit(client, service);
    if (warning !== undefined) logger.warn(warning);
    await takeTurn(client, logger, signal);
    await client.query(`SET lock_timeout = '2s'`);
    const made = await createSchemas(client);
    await patiently('the migrations', logger, () => applyMigrations(client, logger)).catch(
      async (error: unknown) => {
        await dropSchemas(client, made);
        throw error;
      },
    );
    await prepareJobQueue(client, url, service);
    client.on('notice', notice => logger.warn(notice.message ?? 'notice'));
    await patiently('sql/', logger, () => applySql(client, logger));
  } catch (error) {
    if (!isAway(error) && (await isLost(client))) throw unavailable(error);
    throw error;
  } finally {
    await closeSession(client);
  }
}

/** What a database that this code has migrated holds: the names of all migrations, and the hash of sql/. */
export async function readExpectedSchema(): Promise<{ migrations: string[]; sqlHash: string }> {
  const names = (await readdir(MIGRATIONS)).filter(name => name.endsWith('.sql'));
  return { migrations: names.map(name => name.slice(0, -'.sql'.length)), sqlHash: hashOf(await readSql()) };
}

// Not by waiting in the server: a statement that waits for a lock keeps a snapshot, and so all dead rows from vacuum.
async function takeTurn(client: pg.Client, logger: Logger, signal: AbortSignal | undefined): Promise<void> {
  const lock = `hashtextextended('taskwire:migrate', 0)`;
  for (let tries = 1; ; tries++) {
    const { rows } = await client.query(`SELECT pg_try_advisory_lock(${lock}) AS taken`);
    if (rows[0]?.taken === true) return;
    if (tries % STRANGER_AFTER === 0) await endStrangers(client, lock, logger, tries === STRANGER_AFTER);
    await pause(TURN_EVERY, undefined, { signal });
  }
}

const Holder = z.object({ pid: z.number(), role: z.string(), application: z.string() });

// Who holds the lock and could not migrate anything keeps every instance from starting: see sql/shared/end_strangers.sql,
// which may not be there yet.
async function endStrangers(
  client: pg.Client,
  lock: string,
  logger: Logger,
  isFirst: boolean,
): Promise<void> {
  const { rows } = await client.query(
    `SELECT DISTINCT a.pid, a.usename AS role, a.application_name AS application
     FROM pg_locks AS l
     JOIN pg_stat_activity AS a ON a.pid = l.pid
     WHERE l.locktype = 'advisory' AND l.objsubid = 1
       AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
       AND (l.classid::bigint << 32 | l.objid::bigint) = ${lock}
       AND a.pid <> pg_backend_pid()
       AND NOT has_database_privilege(a.usesysid, l.database, 'CREATE')
       AND NOT EXISTS (
         SELECT FROM pg_namespace AS n WHERE n.nspname = 'feed' AND has_schema_privilege(a.usesysid, n.oid, 'CREATE'))`,
  );
  for (const holder of z.array(Holder).parse(rows)) {
    const refused = await client
      .query('SELECT pg_terminate_backend($1, 1000)', [holder.pid])
      .then(() => undefined)
      .catch((error: unknown) => error);
    if (refused === undefined)
      logger.warn(holder, 'a session that may not migrate held the lock of migrations: it was ended');
    else if (isFirst)
      logger.error(
        { ...holder, err: refused },
        'a session that may not migrate holds the lock of migrations',
      );
  }
}

// By hand: CREATE SCHEMA IF NOT EXISTS asks for the right to create one also where it is there.
async function createSchemas(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT name FROM unnest(ARRAY['public', 'feed']) AS wanted (name) WHERE to_regnamespace(name) IS NULL`,
  );
  for (const { name } of rows) await client.query(`CREATE SCHEMA ${name}`);
  return rows.map(({ name }) => name);
}

// Nothing is to stay behind in a database that turned out to be somebody else's. If this fails the database is away, and
// the next start finds the schemas as they are.
async function dropSchemas(client: pg.Client, made: readonly string[]): Promise<void> {
  for (const name of made) await client.query(`DROP SCHEMA ${name} CASCADE`).catch(() => {});
}

// Whoever waits for a lock on a table keeps every writer waiting behind: rather give up soon, and come again.
async function patiently(what: string, logger: Logger, work: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || !LOCKED.has(error.code ?? '') || attempt === ATTEMPTS)
        throw error;
      if (attempt === 1) logger.warn(`${what} wait for a lock that somebody else holds`);
      await pause(1_000);
    }
  }
}

async function applyMigrations(client: pg.Client, logger: Logger): Promise<void> {
  const quiet = () => {};
  const detail = (text: string) => logger.debug(text);
  const applied = await runner({
    dbClient: client,
    dir: MIGRATIONS,
    direction: 'up',
    migrationsTable: 'migrations',
    migrationsSchema: 'feed',
    singleTransaction: true,
    noLock: true, // the lock above covers more
    // What fails is thrown, and told by whoever catches it.
    logger: { debug: quiet, info: quiet, warn: detail, error: detail },
  });
  for (const { name } of applied) logger.info({ migration: name }, 'migrated');
}

async function prepareJobQueue(client: pg.Client, url: string, service: string): Promise<void> {
  const { rowCount: found } = await client.query(
    `SELECT FROM pg_namespace WHERE nspname = 'graphile_worker'`,
  );
  const pool = openSessionPool({ url, service, name: 'migrate jobs' }, 1);
  let lost = false;
  pool.on('error', () => {}); // the query under way rejects with the same error
  pool.on('connect', connected => {
    connected.on('error', () => {
      lost = true;
    });
    if (found === 0) rewriteQueries(connected, tellNobody);
  });
  try {
    await runMigrations({ pgPool: pool, schema: schemasOf(service).jobs });
  } catch (error) {
    throw lost && !isAway(error) ? unavailable(error) : error;
  } finally {
    await pool.end();
  }
}

// graphile-worker tells all workers of the database of a breaking migration, on one channel for all schemas, and they
// stop. A schema that is only being made has no workers: those who would hear of it are another service's.
function tellNobody(text: string): string {
  return text === 'select pg_notify($1, $2)' ? 'select $1::text, $2::text' : text;
}

// Trigger and function DDL locks tables against every writer, so it happens only when something changed.
async function applySql(client: pg.Client, logger: Logger): Promise<void> {
  const files = await readSql();
  const hash = hashOf(files);
  const stored = await client.query<{ sql_hash: string | null }>('SELECT sql_hash FROM feed.log');
  if (stored.rows[0]?.sql_hash === hash) return;
  try {
    await applyFiles(client, files, hash);
    logger.info({ files: files.length }, 'applied sql/');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

// Twice, because functions name each other: the first round puts them there, the second checks their bodies.
async function applyFiles(client: pg.Client, files: SqlFile[], hash: string): Promise<void> {
  await client.query('BEGIN; SET LOCAL check_function_bodies = off');
  for (const file of files) await applyFile(client, file);
  await client.query('SET LOCAL check_function_bodies = on; SET LOCAL client_min_messages = error');
  for (const file of files) await applyFile(client, file);
  await client.query('UPDATE feed.log SET sql_hash = $1', [hash]);
  await client.query('COMMIT');
}

async function applyFile(client: pg.Client, { name, text }: SqlFile): Promise<void> {
  await client.query(text).catch((error: unknown) => {
    if (error instanceof Error) error.message = `sql/${name}: ${error.message}`;
    throw error;
  });
}

function hashOf(files: SqlFile[]): string {
  return createHash('sha256').update(JSON.stringify(files)).digest('hex');
}

interface SqlFile {
  name: string;
  text: string;
}

// In the order of their names, but all triggers after all functions, which they call; and the grants at the end,
// which name them all.
async function readSql(): Promise<SqlFile[]> {
  const names = (await readdir(SQL, { recursive: true }))
    .filter(name => name.endsWith('.sql'))
    .map(name => name.replaceAll(sep, '/'));
  const rank = (name: string) => (name === 'grants.sql' ? 2 : name.endsWith('/triggers.sql') ? 1 : 0);
  names.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return Promise.all(names.map(async name => ({ name, text: await readFile(`${SQL}/${name}`, 'utf8') })));
}
