// Whether the database takes changes now.
import { randomBytes } from 'node:crypto';
import { sql } from 'slonik';
import { z } from 'zod';
import type { DatabasePool } from '../postgres/pool.ts';

const SIZE = 32_768; // bytes: more than the free space that a page may have

/**
 * Writes what no file has free space for, and takes it back. Throws what a writer would be told. A try costs some pages
 * that the next vacuum frees: only for a database that has refused a write.
 */
export async function tryWriting(pool: DatabasePool): Promise<void> {
  const text = randomBytes(SIZE).toString('base64'); // nothing that could be compressed
  await pool.transaction(async connection => {
    await connection.query(sql.type(z.strictObject({}))`
      INSERT INTO public.idempotency_keys (key, request, status, headers, body)
      VALUES (${`probe ${randomBytes(16).toString('hex')}`}, ${sql.binary(randomBytes(32))}, 200, '{}', ${text})`);
    await connection.query(
      sql.type(z.strictObject({}))`DELETE FROM public.idempotency_keys WHERE body = ${text}`,
    );
  });
}
