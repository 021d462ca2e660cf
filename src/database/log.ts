// Queries on the log.
import { sql } from 'slonik';
import { z } from 'zod';
import { LogRow } from '../events.ts';
import type { DatabasePool } from './pool.ts';

const Head = z.strictObject({ log: z.string(), head: z.number(), first: z.number() });

/** The log's id, its last position, and the first one it still keeps (head + 1 while it is empty). */
export type Head = z.infer<typeof Head>;

export async function readHead(pool: DatabasePool): Promise<Head> {
  return pool.one(sql.prepared('read_head', Head)`
    SELECT
      log.id::text AS log,
      batch.last_position AS head,
      coalesce((SELECT position FROM feed.events ORDER BY position LIMIT 1), batch.last_position + 1) AS first
    FROM feed.log
    CROSS JOIN (SELECT last_position FROM feed.event_batches ORDER BY id DESC LIMIT 1) AS batch`);
}

/** The events after a position, in order, at most `limit` of them. */
export async function readAfter(
  pool: DatabasePool,
  position: number,
  limit: number,
): Promise<readonly LogRow[]> {
  return pool.any(sql.type(LogRow)`
    SELECT position, topic, type, subject, feed.rfc3339(time) AS time, origin, transaction::text AS transaction,
      requestid, data::text AS data, previous::text AS previous
    FROM feed.events
    WHERE position > ${position}
    ORDER BY position
    LIMIT ${limit}`);
}

/** The channels and keys that this database's service uses; see sql/functions/lock_key.sql. */
export const Names = z.strictObject({ events: z.string(), doorbell: z.string() });

export async function readChannels(pool: DatabasePool): Promise<z.infer<typeof Names>> {
  return pool.one(
    sql.type(Names)`SELECT feed.channel('events') AS events, feed.channel('doorbell') AS doorbell`,
  );
}

/** Takes a piece of what is numbered out of staged; answers from where to go on, or null when nothing was left. */
export async function cleanStaged(pool: DatabasePool, lowerBound: string): Promise<string | null> {
  return pool.oneFirst(sql.type(z.strictObject({ bound: z.string().nullable() }))`
    SELECT feed.clean_staged(${lowerBound}::xid8, 5000)::text AS bound`);
}
