// migrations/, applied in their order by node-pg-migrate: in a new database all in one transaction, in any other each
// in its own, so that none holds the lock of one table while it waits for another's; those that build indexes CONCURRENTLY in
// none.
import { readdir, readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type RunnerOption, runner } from 'node-pg-migrate';
import type pg from 'pg';
import { z } from 'zod';
import type { Logger } from '../logger.ts';
import { bindScript } from './bind_names.ts';
import { schemasOf } from './names.ts';

export const MIGRATIONS = fileURLToPath(new URL('../../migrations', import.meta.url));
/** How long DDL waits for a table's lock: who waits for one keeps every writer waiting behind. */
export const LOCK_TIMEOUT = '2s';

/** The names of all migrations of this program, in their order. */
export async function readMigrations(dir = MIGRATIONS): Promise<string[]> {
  const names = (await readdir(dir)).filter(name => name.endsWith('.sql'));
  return names.map(name => basename(name, '.sql')).sort();
}

/** The names of the migrations that a database has seen, in the order in which they were applied; none of a new one. */
export async function readApplied(client: pg.ClientBase, service: string): Promise<string[]> {
  const { rows } = await client.query('SELECT to_regclass($1) IS NOT NULL AS made', [
    `${schemasOf(service).feed}.migrations`,
  ]);
  if (z.tuple([z.object({ made: z.boolean() })]).parse(rows)[0].made === false) return [];
  const applied = await client.query('SELECT name FROM feed.migrations ORDER BY run_on, id');
  return z
    .array(z.object({ name: z.string() }))
    .parse(applied.rows)
    .map(({ name }) => name);
}

/** Applies what is missing. Nothing else may migrate meanwhile: there is no lock here. */
export async function applyMigrations(
  client: pg.Client,
  service: string,
  logger: Logger,
  dir = MIGRATIONS,
): Promise<void> {
  const quiet = () => {};
  const detail = (text: string) => logger.debug(text);
  const isNew = (await readApplied(client, service)).length === 0;
  await runner({
    dbClient: client,
    dir,
    direction: 'up',
    migrationsTable: 'migrations',
    migrationsSchema: schemasOf(service).feed,
    singleTransaction: isNew,
    noLock: true,
    migrationLoaderStrategies: [{ extensions: ['.sql'], loader: isNew ? loadAsOne(service) : load(service) }],
    // What fails is thrown, and told by its catcher.
    logger: { debug: quiet, info: quiet, warn: detail, error: detail },
  }).catch(async (error: unknown) => {
    await client.query('ROLLBACK').catch(() => {}); // the runner leaves it open; where the session is gone, so is it
    throw error;
  });
}

type Strategy = NonNullable<RunnerOption['migrationLoaderStrategies']>[number];
type Loader = Exclude<Strategy['loader'], string>;
type Unit = Awaited<ReturnType<Loader>>[number];
type Builder = Parameters<Exclude<Unit['actions']['up'], false | undefined>>[0];

const load =
  (service: string): Loader =>
  paths =>
    readUnits(paths, service, (builder, text) => {
      const steps = concurrentSteps(text);
      if (steps !== undefined) builder.noTransaction();
      for (const step of steps ?? [text]) builder.sql(step);
    });

// A new database has no writers to hold up; and of what fails in it, nothing may stay behind.
const loadAsOne =
  (service: string): Loader =>
  paths =>
    readUnits(paths, service, (builder, text) => builder.sql(text.replaceAll(CONCURRENTLY, '')));

function readUnits(
  paths: readonly string[],
  service: string,
  build: (builder: Builder, text: string) => void,
) {
  return Promise.all(
    paths.map(async (path): Promise<Unit> => {
      const text = bindScript(service, await readFile(path, 'utf8'));
      const up = (builder: Builder) => build(builder, text);
      return { id: path, filePaths: [path], actions: { up, down: false } };
    }),
  );
}

const CONCURRENTLY = /\bCONCURRENTLY\b/g;
const BUILD = /^CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?<index>\w+)\s+ON\s+(?<schema>\w+)\./;

/**
 * The statements of a migration that builds indexes CONCURRENTLY, to be sent one by one outside of a transaction; undefined
 * of any other. Such a build waits for open transactions and keeps no writer waiting, so it waits as long as it takes; and an
 * attempt that was cut off leaves an index behind that is no good, which goes first. Throws if there is anything else in it:
 * that would not be undone with the rest when something fails.
 */
export function concurrentSteps(text: string): string[] | undefined {
  const statements = text
    .replaceAll(/--.*$/gm, '')
    .split(/;\s*$/m)
    .map(statement => statement.trim())
    .filter(statement => statement !== '');
  if (!statements.some(statement => statement.search(CONCURRENTLY) >= 0)) return undefined;
  const builds = statements.flatMap(statement => {
    const { index, schema } = BUILD.exec(statement)?.groups ?? {};
    if (index === undefined || schema === undefined)
      throw new Error(
        'a migration with CONCURRENTLY holds CREATE INDEX CONCURRENTLY name ON schema.table alone',
      );
    return [`DROP INDEX CONCURRENTLY IF EXISTS ${schema}.${index}`, statement];
  });
  return ['SET lock_timeout = 0', ...builds, `SET lock_timeout = '${LOCK_TIMEOUT}'`];
}
