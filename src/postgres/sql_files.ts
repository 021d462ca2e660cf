// sql/, what of the schema can be replaced: read from its folder, applied to a database in one transaction.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { z } from 'zod';
import { bindScript } from './bind_names.ts';

const SQL = fileURLToPath(new URL('../../sql', import.meta.url));

/** Which sql/ it is: a number that only rises, and the SHA-256 of its content, for what has no number of its own yet. */
export interface SqlVersion {
  version: number;
  hash: string;
}

export interface SqlFiles extends SqlVersion {
  files: readonly SqlFile[];
}

interface SqlFile {
  name: string;
  text: string;
}

/**
 * Reads sql/: its files in the order of their names, but all triggers after all functions, which they call, and the grants
 * at the end, which name them all.
 */
export async function readSql(): Promise<SqlFiles> {
  const names = (await readdir(SQL, { recursive: true }))
    .filter(name => name.endsWith('.sql'))
    .map(name => name.replaceAll(sep, '/'));
  const rank = (name: string) => (name === 'grants.sql' ? 2 : name.endsWith('/triggers.sql') ? 1 : 0);
  names.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  const files = await Promise.all(
    names.map(async name => ({ name, text: await readFile(`${SQL}/${name}`, 'utf8') })),
  );
  const hash = createHash('sha256').update(JSON.stringify(files)).digest('hex');
  return { files, hash, version: (await readRecordedVersion()).version };
}

const Recorded = z.strictObject({ version: z.int().positive(), sha256: z.string() });

/** Where sql/ keeps its version, beside the hash of the content that it is the version of. */
export const VERSION_FILE = `${SQL}/version.json`;

/** The version as it is recorded. That the content is the recorded one is a test's to see. */
export async function readRecordedVersion(): Promise<z.infer<typeof Recorded>> {
  return Recorded.parse(JSON.parse(await readFile(VERSION_FILE, 'utf8')));
}

/** Applies sql/ to a migrated database, all of it or nothing. */
export async function applySql(client: pg.Client, service: string, sql: SqlFiles): Promise<void> {
  try {
    await applyFiles(client, { ...sql, files: sql.files.map(file => bound(service, file)) });
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

const bound = (service: string, { name, text }: SqlFile) => ({ name, text: bindScript(service, text) });

// Twice, because functions name each other: the first round puts them there, the second checks their bodies.
async function applyFiles(client: pg.Client, { files, hash, version }: SqlFiles): Promise<void> {
  await client.query('BEGIN; SET LOCAL check_function_bodies = off');
  for (const file of files) await applyFile(client, file);
  await client.query('SET LOCAL check_function_bodies = on; SET LOCAL client_min_messages = error');
  for (const file of files) await applyFile(client, file);
  await client.query('UPDATE feed.log SET sql_hash = $1, sql_version = $2', [hash, version]);
  await client.query('COMMIT');
}

async function applyFile(client: pg.Client, { name, text }: SqlFile): Promise<void> {
  await client.query(text).catch((error: unknown) => {
    if (error instanceof Error) error.message = `sql/${name}: ${error.message}`;
    throw error;
  });
}
