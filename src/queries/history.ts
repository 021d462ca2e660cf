// Queries on the past of entities: what became of one, and what was there at a position of the log.
import { sql } from 'slonik';
import { z } from 'zod';
import { LogRow } from '../events.ts';
import type { Connection, DatabasePool } from '../postgres/pool.ts';
import { pageOfLog, readSnapshotPage } from './log.ts';
import { firstPageOf } from './page.ts';
import type { After, Resource } from './resource.ts';

/** One entity of a topic. */
export interface Entity {
  topic: string;
  subject: string;
}

const Pending = z.strictObject({ id: z.number().nullable() });
const Known = z.strictObject({ known: z.boolean() });
const Numbered = z.strictObject({ numbered: z.boolean() });
const Position = z.strictObject({ position: z.number() });
const PastState = z.strictObject({ version: z.number(), document: z.string() });
const PastRow = z.strictObject({
  id: z.string(),
  key: z.string().nullable(),
  document: z.string().nullable(),
});

/** An entity as it was. */
type PastState = z.infer<typeof PastState>;

/** An entity of a list as it was, or how far the list was looked through: then it has no document. */
type PastRow = z.infer<typeof PastRow>;

/** A page of a topic's list as of a position. */
interface PastPage {
  topic: string;
  position: number;
  limit: number;
  after: After | undefined;
}

/** The last change of the entity that has committed and is not in the log yet; null if there is none. */
export async function readPending(pool: DatabasePool, { topic, subject }: Entity): Promise<number | null> {
  return pool.oneFirst(sql.prepared('read_pending', Pending)`
    SELECT max(u.id) AS id FROM feed.unnumbered(${topic}) AS u WHERE u.subject = ${subject}`);
}

/** Whether there is such an entity, or ever was one: also one of which the log keeps no event. */
export async function isKnown(pool: DatabasePool, { topic, table }: Resource, id: string): Promise<boolean> {
  return pool.oneFirst(sql.type(Known)`
    SELECT EXISTS (SELECT FROM ${sql.identifier([...table])} WHERE id = ${id}::uuid)
      OR EXISTS (SELECT FROM feed.last_versions WHERE topic = ${topic} AND subject = ${id} AND version > 0) AS known`);
}

/** Whether a change is in the log by now. */
export async function isNumbered(pool: DatabasePool, change: number): Promise<boolean> {
  return pool.oneFirst(sql.prepared('is_numbered', Numbered)`
    SELECT EXISTS (SELECT FROM feed.events WHERE staged_id = ${change}) AS numbered`);
}

/** A page of the events of an entity after a position, oldest first. */
export async function readHistory(
  pool: Connection,
  { topic, subject }: Entity,
  { after, limit }: { after: number; limit: number },
): Promise<readonly LogRow[]> {
  return pool.any(sql.type(LogRow)`
    ${pageOfLog(sql.fragment`
      SELECT *
      FROM feed.events
      WHERE subject = ${subject} AND topic = ${topic} AND position > ${after}
      ORDER BY position
      LIMIT ${limit}`)}`);
}

/** The last position that was given by then; 0 for a time before the log. */
export async function readPositionAt(pool: DatabasePool, time: string): Promise<number> {
  return pool.oneFirst(sql.prepared('read_position_at', Position)`
    SELECT coalesce((
      SELECT last_position
      FROM feed.event_batches
      WHERE at <= ${time}::timestamptz
      ORDER BY at DESC, last_position DESC
      LIMIT 1
    ), 0) AS position`);
}

const Identified = z.strictObject({ subject: z.string() });

/**
 * The id of the entity that was made last with this value in the resource's second key, by a position; or, of one that was made
 * before the log begins, of the first one that was deleted with it since. The resource's words stand
 * in the statement as they are, so that an index on just these events can answer it.
 */
export async function identifyPast(
  pool: DatabasePool,
  { topic, entity, naturalKey }: Resource,
  value: string,
  position: number,
): Promise<string | null> {
  if (!naturalKey) return null;
  return pool.maybeOneFirst(sql.prepared(`identify_past_${entity}`, Identified)`
    (
      SELECT subject
      FROM feed.events
      WHERE topic = ${sql.literalValue(topic)} AND type = ${sql.literalValue(`${entity}_created`)}
        AND data ->> ${sql.literalValue(naturalKey.column)} = ${value} AND position <= ${position}
      ORDER BY position DESC
      LIMIT 1
    )
    UNION ALL
    (
      SELECT subject
      FROM feed.events
      WHERE topic = ${sql.literalValue(topic)} AND type = ${sql.literalValue(`${entity}_deleted`)}
        AND data ->> ${sql.literalValue(naturalKey.column)} = ${value} AND position > ${position}
      ORDER BY position
      LIMIT 1
    )
    LIMIT 1`);
}

/** An entity as it was at a position; null if it was not there then. */
export async function readPast(
  pool: DatabasePool,
  { topic, subject }: Entity,
  position: number,
): Promise<PastState | null> {
  return pool.maybeOne(sql.prepared('read_past', PastState)`
    SELECT (document::json ->> 'version')::bigint AS version, document
    FROM feed.snapshot_page(${topic}, ${position}, NULL, 1, ${sql.array([subject], 'text')})
    WHERE document IS NOT NULL`);
}

/**
 * The entities that were there at a position, newest first, or those that come after the one with these keys. A page
 * that ends with a row without a document may go on behind that one; see sql/read/list_past.sql.
 */
export async function listPast(
  pool: Connection,
  { topic, position, after, limit }: PastPage,
): Promise<readonly PastRow[]> {
  return pool.any(sql.prepared('list_past', PastRow)`
    ${firstPageOf(
      sql.fragment`
        SELECT subject AS id, created_at AS key, document
        FROM feed.list_past(${topic}, ${position}, ${after?.key ?? null}, ${after?.id ?? null}, ${limit})`,
      { columns: sql.fragment`id, key, document` },
    )}`);
}

/** The same in the order of their ids, for those that have no created_at. */
export async function listPastById(
  pool: Connection,
  { topic, position, after, limit }: PastPage,
): Promise<readonly PastRow[]> {
  const rows = await readSnapshotPage(pool, { topic, position, after: after?.id, limit });
  return rows.map(({ subject, document }) => ({ id: subject, key: null, document }));
}
