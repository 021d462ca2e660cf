// Queries on the runs of the background jobs. A run leaves the database as the text that feed.render() makes of it.
import { sql } from 'slonik';
import { z } from 'zod';
import type { DatabasePool } from '../postgres/pool.ts';
import { type Author, writtenBy } from './origin.ts';
import { firstPageOf } from './page.ts';

const StoredRun = z.strictObject({ id: z.string(), status: z.string(), document: z.string() });
export type StoredRun = z.infer<typeof StoredRun>;

const Finding = z.strictObject({ run_id: z.string().nullable(), finding: z.string() });
/** Something that a sweep found: what it did about a run, or that jobs wait (then without a run). */
export type Finding = z.infer<typeof Finding>;

const Queued = z.strictObject({ queued: z.boolean() });
const Overview = z.strictObject({ last_run: z.string().nullable(), next_run_at: z.string().nullable() });

/** What asks for a run: a request, or the service itself. */
type Asker = { origin: 'rest'; author: Author } | { origin: 'generator' };

/** The kind's active run, or a new one. Its job is queued in the same transaction. */
export async function queueRun(pool: DatabasePool, kind: string, asker: Asker): Promise<StoredRun> {
  return pool.one(sql.prepared('queue_run', StoredRun)`
    WITH ${writtenBy(asker.origin, asker.origin === 'rest' ? asker.author : null)}
    SELECT (run).id::text AS id, (run).status, feed.render(run)::text AS document
    FROM (SELECT public.queue_run(${kind}) AS run FROM context) AS asked`);
}

/** Queues a run if there has never been one of the kind; tells whether it did. */
export async function queueFirstRun(pool: DatabasePool, kind: string): Promise<boolean> {
  return pool.oneFirst(sql.type(Queued)`
    WITH ${writtenBy('generator', null)}
    SELECT public.queue_first_run(${kind}) AS queued FROM context`);
}

export async function readRun(pool: DatabasePool, kind: string, id: string): Promise<StoredRun | null> {
  return pool.maybeOne(sql.prepared('read_run', StoredRun)`
    SELECT r.id::text AS id, r.status, feed.render(r)::text AS document
    FROM public.runs AS r
    WHERE r.id = ${id} AND r.kind = ${kind}`);
}

/** The newest runs of a kind, or those that are older than the one with this id. */
export async function listRuns(
  pool: DatabasePool,
  kind: string,
  { limit, after }: { limit: number; after: string | undefined },
): Promise<readonly StoredRun[]> {
  // Ordered by id alone: it is as old as the run, where queued_at changes with each attempt.
  return pool.any(sql.type(StoredRun)`
    ${firstPageOf(
      sql.fragment`
        SELECT r.id::text AS id, r.status, feed.render(r)::text AS document
        FROM public.runs AS r
        WHERE r.kind = ${kind} ${after === undefined ? sql.fragment`` : sql.fragment`AND r.id < ${after}`}
        ORDER BY r.id DESC
        LIMIT ${limit}`,
      { columns: sql.fragment`id, status, document` },
    )}`);
}

/** The kind's last run, and the time of the next one as times are written everywhere. */
export async function readOverview(pool: DatabasePool, kind: string, nextRun: Date | undefined) {
  return pool.one(sql.prepared('read_run_overview', Overview)`
    SELECT
      (SELECT feed.render(r)::text FROM public.runs AS r WHERE r.kind = ${kind} ORDER BY r.id DESC LIMIT 1) AS last_run,
      feed.rfc3339(${nextRun?.toISOString() ?? null}::timestamptz) AS next_run_at`);
}

const RunCount = z.strictObject({ kind: z.string(), status: z.string(), count: z.number() });

/** How many runs of each kind there are in each status. */
export async function countRuns(pool: DatabasePool): Promise<readonly z.infer<typeof RunCount>[]> {
  return pool.any(sql.prepared('count_runs', RunCount)`
    SELECT kind, status, count(*) AS count FROM public.runs GROUP BY kind, status`);
}

/** Revives what is dead or forgotten, see sql/runs/sweep_runs.sql; only reads while all is well. */
export async function sweepRuns(pool: DatabasePool): Promise<readonly Finding[]> {
  return pool.any(sql.prepared('sweep_runs', Finding)`
    WITH ${writtenBy('generator', null)}
    SELECT (found).run_id::text AS run_id, (found).finding
    FROM (SELECT public.sweep_runs() AS found FROM context) AS swept`);
}
