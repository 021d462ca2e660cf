// Brings a database to what this version of the service works with: migrations, then graphile-worker's schema,
// then sql/, under one lock, so that any number of instances may start at once.
import { setTimeout as pause } from 'node:timers/promises';
import { runMigrations } from 'graphile-worker';
import pg from 'pg';
import { z } from 'zod';
import type { Logger } from '../logger.ts';
import { rewriteQueries } from './bind_names.ts';
import { isAway, unavailable } from './errors.ts';
import { applyMigrations, LOCK_TIMEOUT, readApplied, readMigrations } from './migrations.ts';
import { schemasOf } from './names.ts';
import { explainRefusal, isRefusal, refuseUnfit } from './preflight.ts';
import { compareSchemas, compareSql, type DatabaseSchema, type ProgramSchema } from './schema_version.ts';
import { closeSession, isLost, openSession, openSessionPool } from './session.ts';
import { applySql, readSql, type SqlFiles } from './sql_files.ts';
import { SQLSTATE } from './sqlstate.ts';

// A lock that was not to be had in time, and a deadlock with writers, who lock the tables in an order of their own.
const LOCKED: ReadonlySet<string> = new Set([SQLSTATE.lockNotAvailable, SQLSTATE.deadlock]);
const ATTEMPTS = 30;
const TURN_EVERY = 200; // ms
const STRANGER_AFTER = 5; // tries

/** What a migration has done. */
export interface Migrated {
  /** The migrations it has applied. */
  migrations: readonly string[];
  /** The version of sql/ it has applied, and why; undefined if that of the database was left as it is. */
  sql: { version: number; reason: string } | undefined;
  /** What it may not or need not change, as sentences. */
  warnings: readonly string[];
}

/** Where to migrate, and who is told. */
export interface Target {
  url: string;
  service: string;
  logger: Logger;
  /** How many positions a partition of the log holds, if this is what makes the log; PostgreSQL's default otherwise. */
  partition?: number | undefined;
  /** Ends it at once, whatever it waits for; then it throws. */
  signal?: AbortSignal;
  /** Told the migrations that are missing, before the first is applied. */
  begins?: (migrations: readonly string[]) => void;
}

/**
 * Migrates the database at `url` (a session-level address), and applies sql/ unless it stands there as it should. What a
 * newer program has put there stays, and is worked with. Idempotent. Throws a ServiceError for a server or database the
 * service cannot work with.
 */
export async function migrate(options: Target): Promise<Migrated> {
  return onSession(options, client => migrateOn(client, options));
}

/** Lends a session for work on the schema. A refusal is told in an operator's words, a lost session as `unavailable`. */
export async function onSession<Result>(
  { url, service, signal }: Target,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = await openSession({ url, service, name: 'migrate' }, signal);
  try {
    return await work(client);
  } catch (error) {
    if (!isAway(error) && (await isLost(client))) throw unavailable(error);
    throw explainRefusal(error, service);
  } finally {
    await closeSession(client);
  }
}

/** migrate() on a session that its caller has. */
export async function migrateOn(
  client: pg.Client,
  { url, service, logger, partition, signal, begins }: Target,
): Promise<Migrated> {
  const warning = await refuseUnfit(client, service);
  if (warning !== undefined) logger.warn(warning);
  await takeTurn(client, service, logger, signal);
  if (partition !== undefined)
    await client.query("SELECT set_config('taskwire.event_partition', $1, false)", [String(partition)]);
  const migrations = await addMigrations(client, service, logger, begins);
  await prepareJobQueue(client, url, service);
  client.on('notice', notice => logger.warn(notice.message ?? 'notice'));
  const sql = await patiently(client, 'sql/', logger, () => renewSql(client, service, logger));
  await comparePartition(client, partition, logger);
  return { migrations, sql, warnings: await warn(client, service, logger) };
}

/** What a database has that this program has migrated. */
export async function readProgramSchema(): Promise<ProgramSchema> {
  const { version, hash } = await readSql();
  return { migrations: await readMigrations(), sql: { version, hash } };
}

/** Warns of what differs from what this program makes, and tells it as sentences. */
export async function warn(client: pg.Client, service: string, logger: Logger): Promise<string[]> {
  const warnings = await readWarnings(client, service);
  if (warnings.length > 0) logger.warn({ warnings }, 'the schema is not as this version makes it');
  return warnings;
}

// Not by waiting in the server: a statement that waits for a lock keeps a snapshot, and so all dead rows from vacuum.
async function takeTurn(
  client: pg.Client,
  service: string,
  logger: Logger,
  signal: AbortSignal | undefined,
): Promise<void> {
  const lock = `hashtextextended('${service}:migrate', 0)`;
  for (let tries = 1; ; tries++) {
    const { rows } = await client.query(`SELECT pg_try_advisory_lock(${lock}) AS taken`);
    if (rows[0]?.taken === true) return;
    if (tries % STRANGER_AFTER === 0)
      await endStrangers(client, { service, lock }, logger, tries === STRANGER_AFTER);
    await pause(TURN_EVERY, undefined, { signal });
  }
}

const Holder = z.object({ pid: z.number(), role: z.string(), application: z.string() });

// Who holds the lock and could not migrate anything keeps every instance from starting: see sql/shared/end_strangers.sql,
// which may not be there yet.
async function endStrangers(
  client: pg.Client,
  { service, lock }: { service: string; lock: string },
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
         SELECT FROM pg_namespace AS n WHERE n.nspname = $1 AND has_schema_privilege(a.usesysid, n.oid, 'CREATE'))`,
    [schemasOf(service).feed],
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
async function createSchemas(client: pg.Client, service: string): Promise<readonly string[]> {
  const { resources, feed } = schemasOf(service);
  const { rows } = await client.query<{ name: string }>(
    'SELECT name FROM unnest(ARRAY[$1, $2]) AS wanted (name) WHERE to_regnamespace(name) IS NULL',
    [resources, feed],
  );
  for (const { name } of rows) await client.query(`CREATE SCHEMA ${name}`);
  return rows.map(({ name }) => name);
}

// Nothing is to stay behind in a database that turned out to be another program's. If this fails the database is away, and
// the next start finds the schemas as they are.
async function dropSchemas(client: pg.Client, made: readonly string[]): Promise<void> {
  for (const name of made) await client.query(`DROP SCHEMA ${name} CASCADE`).catch(() => {});
}

// DDL that waits for a lock on a table keeps every writer waiting behind: rather give up soon, and come again.
async function patiently<Result>(
  client: pg.Client,
  what: string,
  logger: Logger,
  work: () => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query(`SET lock_timeout = '${LOCK_TIMEOUT}'`);
      return await work();
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || !LOCKED.has(error.code ?? '') || attempt === ATTEMPTS)
        throw error;
      if (attempt === 1) logger.warn(`${what} wait for a lock of another session`);
      await pause(1_000);
    }
  }
}

async function addMigrations(
  client: pg.Client,
  service: string,
  logger: Logger,
  begins: Target['begins'],
): Promise<string[]> {
  const applied = new Set(await readApplied(client, service));
  const missing = (await readMigrations()).filter(name => !applied.has(name));
  if (missing.length === 0) return [];
  begins?.(missing);
  logger.info({ migrations: missing }, 'migrating the database');
  const made = await createSchemas(client, service);
  await patiently(client, 'the migrations', logger, () => applyMigrations(client, service, logger)).catch(
    async (error: unknown) => {
      await dropSchemas(client, made);
      throw error;
    },
  );
  logger.info({ migrations: missing.length }, 'migrated the database');
  return missing;
}

async function comparePartition(
  client: pg.Client,
  wanted: number | undefined,
  logger: Logger,
): Promise<void> {
  const { rows } = await client.query('SELECT partition_size::float8 AS size FROM feed.log');
  const [{ size }] = z.tuple([z.object({ size: z.number() })]).parse(rows);
  if (wanted !== undefined && wanted !== size)
    logger.warn({ wanted, size }, 'EVENT_PARTITION is what a log is made with: this one keeps its own');
}

/** Brings graphile-worker's schema up to date; writes nothing where it is. */
export async function prepareJobQueue(client: pg.Client, url: string, service: string): Promise<void> {
  const schema = schemasOf(service).jobs;
  const { rowCount: found } = await client.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema]);
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
    await runMigrations({ pgPool: pool, schema });
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

// Trigger and function DDL locks tables against every writer, so it happens only when something is not as it should be. A
// newer sql/ stays, also where something of it is amiss: only a program of its version knows how to mend that.
async function renewSql(client: pg.Client, service: string, logger: Logger): Promise<Migrated['sql']> {
  const sql = await readSql();
  const found = compareSql(sql, await readDatabaseSchema(client, service));
  if (found === 'newer') return undefined;
  if (found === 'older') return renew(client, service, logger, sql, 'it is not what the database had');
  const drift = await client.query('SELECT fault FROM feed.drift() WHERE mend ORDER BY fault');
  if (drift.rows.length === 0) return undefined;
  try {
    return await renew(client, service, logger, sql, faultsOf(drift.rows).join('; '));
  } catch (error) {
    // The service works as it did before; what is wrong stays among the warnings until a role that may has mended it.
    if (!isRefusal(error)) throw error;
    logger.warn({ err: error }, 'what is wrong with the schema may not be mended by this role');
    return undefined;
  }
}

async function renew(client: pg.Client, service: string, logger: Logger, sql: SqlFiles, reason: string) {
  await applySql(client, service, sql);
  logger.info({ version: sql.version, files: sql.files.length, reason }, 'applied sql/');
  return { version: sql.version, reason };
}

async function readWarnings(client: pg.Client, service: string): Promise<string[]> {
  const { ahead } = compareSchemas(await readProgramSchema(), await readDatabaseSchema(client, service));
  const { rows } = await client.query('SELECT fault FROM feed.drift() ORDER BY fault');
  return [...ahead, ...faultsOf(rows)];
}

function faultsOf(rows: unknown): string[] {
  return z
    .array(z.object({ fault: z.string() }))
    .parse(rows)
    .map(({ fault }) => fault);
}

const Stored = z.object({ sql_version: z.number().nullable(), sql_hash: z.string().nullable() });

/** What the database has of a program's schema. */
export async function readDatabaseSchema(client: pg.Client, service: string): Promise<DatabaseSchema> {
  const migrations = await readApplied(client, service);
  const { rows } = await client.query('SELECT sql_version, sql_hash FROM feed.log');
  const { sql_version: sqlVersion, sql_hash: sqlHash } = z.tuple([Stored]).parse(rows)[0];
  return { migrations, sqlVersion, sqlHash };
}
