// Queries on the log.
import { type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import { fillPage, LogRow, type WatchedTopic } from '../events.ts';
import type { Connection, DatabasePool } from '../postgres/pool.ts';
import { firstPageOf } from './page.ts';

const Head = z.strictObject({
  log: z.string(),
  head: z.number(),
  first: z.number(),
  floor: z.number(),
  ends: z
    .record(z.string(), z.number())
    .transform(ends => new Map(Object.entries(ends)))
    .nullable(),
});

/**
 * The id of the log's present epoch, its last position, the first one it still keeps (head + 1 while it is empty),
 * `withArchive` those that it keeps in files alone included, the last that it keeps no longer in the database, and the earlier epochs, each with the last position that it has here; null if the present one is still `known`.
 */
export type Head = z.infer<typeof Head>;

export async function readHead(
  pool: DatabasePool,
  { known, withArchive = false }: { known?: string | undefined; withArchive?: boolean } = {},
): Promise<Head> {
  return pool.one(sql.prepared('read_head', Head)`
    SELECT
      log.id::text AS log,
      batch.last_position AS head,
      CASE WHEN ${withArchive} THEN coalesce(log.archived_from, log.floor + 1) ELSE log.floor + 1 END AS first,
      log.floor,
      CASE WHEN log.id IS DISTINCT FROM ${known ?? null}::uuid
        THEN (SELECT coalesce(json_object_agg(id, last_position), '{}') FROM feed.epochs) END AS ends
    FROM feed.log
    CROSS JOIN (SELECT last_position FROM feed.event_batches ORDER BY id DESC LIMIT 1) AS batch`);
}

// Those of old events were not counted.
const BYTES = sql.fragment`coalesce(bytes, octet_length(data::text) + coalesce(octet_length(previous::text), 0))`;
const IS_TOLD = sql.fragment`${BYTES} <= feed.most_bytes()`;

/** The columns of a LogRow, read from feed.events. */
export const LOG_COLUMNS = sql.fragment`
  position, topic, type, subject, feed.rfc3339(time) AS time, origin, actor::text AS actor, transaction::text AS transaction,
  requestid, CASE WHEN ${IS_TOLD} THEN data::text END AS data, CASE WHEN ${IS_TOLD} THEN previous::text END AS previous, entity`;

/** A page of the log: these rows of feed.events, which are in their order, up to the one that makes it large. */
export function pageOfLog(rows: FragmentSqlToken): FragmentSqlToken {
  return firstPageOf(rows, {
    columns: LOG_COLUMNS,
    bytes: sql.fragment`CASE WHEN ${IS_TOLD} THEN ${BYTES} END`,
  });
}

/** A page of the events after a position, up to and with another one, in order; none if the log is in another epoch. */
export async function readRange(
  pool: DatabasePool,
  log: string,
  after: number,
  through: number,
): Promise<readonly LogRow[]> {
  return pool.any(sql.prepared('read_range', LogRow)`
    ${pageOfLog(sql.fragment`
      SELECT *
      FROM feed.events
      WHERE position > ${after} AND position <= ${through} AND (SELECT id FROM feed.log) = ${log}::uuid
      ORDER BY position`)}`);
}

/** Positions in (after, through], at most so many. */
interface LimitedRange {
  after: number;
  through: number;
  limit: number;
}

/** Which events are meant; an empty list asks for nothing. */
interface Selection {
  topics: readonly string[];
  types: readonly string[];
  subjects: readonly string[];
}

/** The same of some subjects only, at most `limit` of them. */
export async function readOfSubjects(
  pool: DatabasePool,
  subjects: readonly string[],
  { after, through, limit }: LimitedRange,
): Promise<readonly LogRow[]> {
  return pool.any(sql.prepared('read_of_subjects', LogRow)`
    ${pageOfLog(sql.fragment`
      SELECT *
      FROM feed.events
      WHERE subject = ANY(${sql.array([...subjects], 'text')}) AND position > ${after} AND position <= ${through}
      ORDER BY position
      LIMIT ${limit}`)}`);
}

function positionsOfTypes(
  { topics, types }: Pick<Selection, 'topics' | 'types'>,
  { after, through, limit }: LimitedRange,
): FragmentSqlToken {
  return sql.fragment`
    SELECT position
    FROM feed.positions_of_types(
      ${sql.array([...topics], 'text')}, ${sql.array([...types], 'text')}, ${after}, ${through}, ${limit})`;
}

/** The same of some topics and types only, at most `limit` of them: it costs what it finds. */
export async function readOfTypes(
  pool: Connection,
  selection: Pick<Selection, 'topics' | 'types'>,
  range: LimitedRange,
): Promise<readonly LogRow[]> {
  return pool.any(sql.prepared('read_of_types', LogRow)`
    ${pageOfLog(sql.fragment`
      SELECT *
      FROM feed.events
      WHERE position = ANY (ARRAY(${positionsOfTypes(selection, range)}))
      ORDER BY position`)}`);
}

const Position = z.strictObject({ position: z.number() });

/**
 * Of the events that are meant the last of each entity, deletions too, as far as the log goes up to `through`: those among the first
 * `limit` events that are followed by no other of their entity. Says how far it has looked.
 */
export async function readCompacted(
  pool: Connection,
  selection: Selection,
  range: LimitedRange,
): Promise<{ rows: readonly LogRow[]; through: number }> {
  const { subjects, types } = selection;
  const { after, through, limit } = range;
  const candidates =
    subjects.length > 0
      ? sql.fragment`
          SELECT position
          FROM feed.events
          WHERE subject = ANY (${sql.array([...subjects], 'text')}) AND position > ${after} AND position <= ${through}
          ORDER BY position
          LIMIT ${limit}`
      : selection.topics.length + types.length > 0
        ? positionsOfTypes(selection, range)
        : sql.fragment`
            SELECT position FROM feed.events WHERE position > ${after} AND position <= ${through} ORDER BY position LIMIT ${limit}`;
  const positions = await pool.anyFirst(sql.type(Position)`${candidates}`);
  const end = positions.length === limit ? (positions.at(-1) ?? through) : through;
  const [ofTopics, ofTypes] = [sql.array([...selection.topics], 'text'), sql.array([...types], 'text')];
  const rows = await pool.any(sql.type(LogRow)`
    ${pageOfLog(sql.fragment`
      SELECT e.*
      FROM feed.events AS e
      WHERE e.position = ANY (ARRAY(
          SELECT last.position FROM feed.last_of_entities(${sql.array([...positions], 'int8')}, ${ofTypes}, ${through}) AS last))
        AND (${ofTopics} = '{}' OR e.topic = ANY (${ofTopics}))
      ORDER BY e.position`)}`);
  const isCut = fillPage(rows.flatMap(({ data, previous }) => [data, previous]));
  return { rows, through: isCut ? (rows.at(-1)?.position ?? end) : end };
}

const ArchivedFile = z.strictObject({
  first: z.number(),
  last: z.number(),
  log: z.string(),
  sha256: z.string(),
});

/** The file of the archive that holds a position; null if none does, or the log is in another epoch. */
export async function readArchivedFile(
  pool: DatabasePool,
  log: string,
  position: number,
): Promise<z.infer<typeof ArchivedFile> | null> {
  return pool.maybeOne(sql.prepared('read_archived_file', ArchivedFile)`
    SELECT f.first, f.last, f.log::text AS log, encode(f.sha256, 'hex') AS sha256
    FROM feed.archive_files AS f
    JOIN feed.log ON log.id = ${log}::uuid AND log.archived_from <= ${position}
    WHERE f.first <= ${position} AND f.last >= ${position}
    ORDER BY f.first DESC
    LIMIT 1`);
}

const Topic = z.strictObject({
  topic: z.string(),
  entity: z.string(),
  by_status: z.boolean(),
  has_key: z.boolean(),
});

/** The watched tables; those that were dropped since are none. */
export async function readTopics(pool: DatabasePool): Promise<readonly WatchedTopic[]> {
  return pool.any(sql.prepared('read_topics', Topic)`
    SELECT topic, entity, status_column IS NOT NULL AS by_status,
      EXISTS (SELECT FROM feed.key_of(relation) AS key WHERE key.name = key_column) AS has_key
    FROM feed.topics
    WHERE EXISTS (SELECT FROM pg_class WHERE pg_class.oid = relation)
    ORDER BY topic`);
}

const SnapshotRow = z.strictObject({ subject: z.string(), document: z.string().nullable() });

/**
 * A page of a topic's entities as of a position at or below the head, in the order of their key: those after the
 * subject `after`, or the first; of some subjects only, where they are given. All pages of a position together are the
 * log folded up to it, whatever is written meanwhile. A page that is not full may end with a row without a document, and
 * then goes on behind that one; see sql/read/snapshot_page.sql.
 */
export async function readSnapshotPage(
  pool: Connection,
  page: {
    topic: string;
    position: number;
    subjects?: readonly string[] | undefined;
    after: string | undefined;
    limit: number;
  },
): Promise<readonly z.infer<typeof SnapshotRow>[]> {
  // A prepared statement has one text, so that there is an array in any case.
  const subjects = sql.fragment`nullif(${sql.array([...(page.subjects ?? [])], 'text')}, '{}')`;
  const rows = await pool.any(sql.prepared('read_snapshot_page', SnapshotRow)`
    ${firstPageOf(
      sql.fragment`
        SELECT subject, document
        FROM feed.snapshot_page(${page.topic}, ${page.position}, ${page.after ?? null}, ${page.limit}, ${subjects})`,
      { columns: sql.fragment`subject, document` },
    )}`);
  const last = rows.at(-1);
  const isCut = last && last.document !== null && fillPage(rows.map(({ document }) => document));
  return isCut ? [...rows, { subject: last.subject, document: null }] : rows;
}

const FeedState = z.strictObject({
  batch: z.number(),
  head: z.number(),
  floor: z.number(),
  batch_age: z.number(),
  waiting: z.number().nullable(),
  queue: z.number(),
});

/**
 * How numbering goes: the last batch and its last position, the floor of the log, the batch's age in seconds, and the age of the oldest change that
 * has committed and has no position, null if there is none; and how full the server's queue of notifications is, from 0 to 1. Reads what the sequencer's next look would, one row a
 * transaction; see sql/sequence/sequence_changes.sql.
 */
export type FeedState = z.infer<typeof FeedState>;

export async function readFeedState(pool: DatabasePool): Promise<FeedState> {
  return pool.one(sql.prepared('read_feed_state', FeedState)`
    WITH last AS MATERIALIZED (
      SELECT id, last_position, snapshot, at FROM feed.event_batches ORDER BY id DESC LIMIT 1
    )
    SELECT
      last.id AS batch,
      last.last_position AS head,
      (SELECT log.floor FROM feed.log) AS floor,
      extract(epoch FROM clock_timestamp() - last.at)::float8 AS batch_age,
      extract(epoch FROM clock_timestamp() - least(fresh.time, pending.time))::float8 AS waiting,
      pg_notification_queue_usage() AS queue
    FROM last
    LEFT JOIN LATERAL (
      SELECT time FROM feed.staged WHERE xid >= pg_snapshot_xmax(last.snapshot) ORDER BY xid, id LIMIT 1
    ) AS fresh ON true
    CROSS JOIN LATERAL (
      SELECT min(s.time) AS time
      FROM pg_snapshot_xip(last.snapshot) AS open (xid)
      CROSS JOIN LATERAL (SELECT time FROM feed.staged WHERE xid = open.xid ORDER BY id LIMIT 1) AS s
    ) AS pending`);
}

const Schema = z
  .strictObject({
    migrations: z.array(z.string()),
    sql_version: z.number().nullable(),
    sql_hash: z.string().nullable(),
    drift: z.array(z.string()),
  })
  .transform(({ sql_version: sqlVersion, sql_hash: sqlHash, ...found }) => ({
    ...found,
    sqlVersion,
    sqlHash,
  }));

/**
 * Which migrations were applied, in their order, which sql/ was applied last, and how rights and triggers differ from it,
 * see sql/rights/drift.sql.
 */
export async function readSchema(pool: DatabasePool): Promise<z.infer<typeof Schema>> {
  return pool.one(sql.prepared('read_schema', Schema)`
    SELECT
      (SELECT coalesce(array_agg(name::text ORDER BY run_on, id), '{}') FROM feed.migrations) AS migrations,
      sql_version,
      sql_hash,
      (SELECT coalesce(array_agg(fault ORDER BY fault), '{}') FROM feed.drift()) AS drift
    FROM feed.log`);
}

const ClosedTable = z.strictObject({ relation: z.string(), role: z.string(), commands: z.string() });

/** Sentences on the tables that row security keeps from the service; see sql/read/closed_tables.sql. */
export async function readClosedTables(pool: DatabasePool): Promise<readonly string[]> {
  const found = await pool.any(
    sql.prepared(
      'read_closed_tables',
      ClosedTable,
    )`SELECT relation, role, commands FROM feed.closed_tables()`,
  );
  return found.map(
    ({ relation, role, commands }) =>
      `row security keeps the table ${relation} from the role ${role}: it has no policy for ${commands}. ` +
      `CREATE POLICY … ON ${relation} TO ${role} USING (true)`,
  );
}

/** The channels and keys that this database's service uses; see sql/shared/lock_key.sql. */
export const Names = z.strictObject({ events: z.string(), doorbell: z.string() });

export async function readChannels(pool: DatabasePool): Promise<z.infer<typeof Names>> {
  return pool.one(
    sql.type(Names)`SELECT feed.channel('events') AS events, feed.channel('doorbell') AS doorbell`,
  );
}

const StagedRow = z.strictObject({ xid: z.string(), id: z.string() });

/** A row of staged, by its key. */
export type StagedRow = z.infer<typeof StagedRow>;

/** Takes a piece of what is numbered out of staged; answers behind which row to go on, or null when nothing was left. */
export async function cleanStaged(pool: DatabasePool, after: StagedRow): Promise<StagedRow | null> {
  return pool.maybeOne(sql.prepared('clean_staged', StagedRow)`
    SELECT last_xid::text AS xid, last_id::text AS id
    FROM feed.clean_staged(${after.xid}::xid8, ${after.id}::bigint, 5000)
    WHERE last_xid IS NOT NULL`);
}
