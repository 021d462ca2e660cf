// Brings a database to what this version of the service works with: migrations, then graphile-worker's schema,
// then sql/, under one lock, so that any number of instances may start at once.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { runMigrations } from 'graphile-worker';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { openSession } from './database/session.ts';
import { ServiceError } from './errors.ts';
import type { Logger } from './logger.ts';

const MIGRATIONS = fileURLToPath(new URL('../migrations', import.meta.url));
const SQL = fileURLToPath(new URL('../sql', import.meta.url));
const OLDEST_SERVER = 160000;
// A lock that was not to be had in time, and a deadlock with writers, who lock the tables in an order of their own.
const LOCKED = new Set(['55P03', '40P01']);

/**
 * Migrates the database at `url` (a session-level address) and re-applies sql/ if its content changed.
 * Idempotent. Throws a ServiceError for a server or database the service cannot work with.
 */
export async function migrate({ url, logger }: { url: string; logger: Logger }): Promise<void> {
  const client = await openSession({ url, name: 'migrate' });
  try {
    await refuseUnfit(client);
    await client.query(`SELECT pg_advisory_lock(hashtextextended('taskwire:migrate', 0))`);
    await applyMigrations(client, logger);
    await prepareJobQueue(url);
    await applySql(client, logger);
  } finally {
    await client.end();
  }
}

/** What a database that this code has migrated holds: the names of all migrations, and the hash of sql/. */
export async function readExpectedSchema(): Promise<{ migrations: string[]; sqlHash: string }> {
  const names = (await readdir(MIGRATIONS)).filter(name => name.endsWith('.sql'));
  return { migrations: names.map(name => name.slice(0, -'.sql'.length)), sqlHash: hashOf(await readSql()) };
}

async function refuseUnfit(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: number; encoding: string; shown: string }>(
    `SELECT current_setting('server_version_num')::integer AS version, current_setting('server_version') AS shown,
            current_setting('server_encoding') AS encoding`,
  );
  const server = rows[0];
  if (!server) throw new Error('the server did not tell its version');
  if (server.version < OLDEST_SERVER) {
    throw new ServiceError('unfit_database', `PostgreSQL ${server.shown} is too old: 16 or later is needed`);
  }
  if (server.encoding !== 'UTF8') {
    throw new ServiceError(
      'unfit_database',
      `the database is encoded in ${server.encoding}: create one with ENCODING 'UTF8' TEMPLATE template0`,
    );
  }
}

async function applyMigrations(client: pg.Client, logger: Logger): Promise<void> {
  const quiet = () => {};
  const applied = await runner({
    dbClient: client,
    dir: MIGRATIONS,
    direction: 'up',
    migrationsTable: 'migrations',
    migrationsSchema: 'feed',
    createMigrationsSchema: true,
    singleTransaction: true,
    noLock: true, // the lock above covers more
    logger: { debug: quiet, info: quiet, warn: text => logger.warn(text), error: text => logger.error(text) },
  });
  for (const { name } of applied) logger.info({ migration: name }, 'migrated');
}

async function prepareJobQueue(url: string): Promise<void> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  pool.on('error', () => {}); // the query under way rejects with the same error
  pool.on('connect', connected => connected.on('error', () => {}));
  try {
    await runMigrations({ pgPool: pool });
  } finally {
    await pool.end();
  }
}

// Trigger and function DDL locks tables against every writer, so it happens only when something changed.
async function applySql(client: pg.Client, logger: Logger): Promise<void> {
  const files = await readSql();
  const hash = hashOf(files);
  const stored = await client.query<{ sql_hash: string | null }>('SELECT sql_hash FROM feed.log');
  if (stored.rows[0]?.sql_hash === hash) return;
  client.on('notice', notice => logger.warn(notice.message ?? 'notice'));
  for (let attempt = 1; ; attempt++) {
    try {
      await applyFiles(client, files, hash);
      logger.info({ files: files.length }, 'applied sql/');
      return;
    } catch (error) {
      await client.query('ROLLBACK');
      if (!(error instanceof pg.DatabaseError) || !LOCKED.has(error.code ?? '') || attempt === 30)
        throw error;
      logger.warn({ attempt }, 'sql/ waits for a lock that somebody else holds');
      await pause(1000);
    }
  }
}

// Twice, because functions name each other: the first round puts them there, the second checks their bodies.
async function applyFiles(client: pg.Client, files: SqlFile[], hash: string): Promise<void> {
  await client.query(`BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL check_function_bodies = off`);
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

async function readSql(): Promise<SqlFile[]> {
  const names: string[] = [];
  for (const folder of ['functions', 'triggers']) {
    const found = await readdir(`${SQL}/${folder}`);
    names.push(...found.sort().map(name => `${folder}/${name}`));
  }
  names.push('grants.sql');
  return Promise.all(names.map(async name => ({ name, text: await readFile(`${SQL}/${name}`, 'utf8') })));
}
