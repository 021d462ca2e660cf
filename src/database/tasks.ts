// Queries on tasks. A task leaves the database as the text that feed.render() makes of it, and stays that text.
import { sql } from 'slonik';
import { z } from 'zod';
import { writtenBy } from './origin.ts';
import type { DatabasePool } from './pool.ts';

/** What a client writes of a task. Times are RFC 3339 text. */
export interface TaskFields {
  title: string;
  description: string | null;
  status: string;
  priority: string;
  due_at: string | null;
  labels: readonly string[];
}

/** Some fields; what is missing or undefined stays as it is. */
export type TaskChanges = { [Name in keyof TaskFields]?: TaskFields[Name] | undefined };

/** A write to one task, if it is in one of these versions (undefined: in any). */
export interface TaskTarget {
  id: string;
  versions: readonly number[] | undefined;
  requestId: string;
}

const StoredTask = z.strictObject({ id: z.string(), version: z.number(), document: z.string() });
export type StoredTask = z.infer<typeof StoredTask>;

const ListedTask = z.strictObject({ id: z.string(), created_at: z.string(), document: z.string() });
export type ListedTask = z.infer<typeof ListedTask>;

export async function insertTask(
  pool: DatabasePool,
  task: TaskFields,
  requestId: string,
): Promise<StoredTask> {
  return pool.one(sql.prepared('insert_task', StoredTask)`
    WITH ${writtenBy('rest', requestId)}
    INSERT INTO public.tasks AS t (title, description, status, priority, due_at, labels)
    SELECT ${task.title}, ${task.description}, ${task.status}, ${task.priority}, ${task.due_at}::timestamptz,
      ${sql.array([...task.labels], 'text')}
    FROM context
    RETURNING t.id::text AS id, t.version, feed.render(t)::text AS document`);
}

export async function readTask(pool: DatabasePool, id: string): Promise<StoredTask | null> {
  return pool.maybeOne(sql.prepared('read_task', StoredTask)`
    SELECT t.id::text AS id, t.version, feed.render(t)::text AS document
    FROM public.tasks AS t
    WHERE t.id = ${id}`);
}

export async function taskExists(pool: DatabasePool, id: string): Promise<boolean> {
  return pool.exists(sql.unsafe`SELECT FROM public.tasks WHERE id = ${id}`);
}

/** The newest tasks, or those that come after the one with these keys. */
export async function listTasks(
  pool: DatabasePool,
  { limit, after }: { limit: number; after: { created_at: string; id: string } | undefined },
): Promise<readonly ListedTask[]> {
  if (!after) return pool.any(sql.prepared('list_tasks', ListedTask)`${page(limit)}`);
  return pool.any(sql.prepared('list_tasks_after', ListedTask)`
    ${page(limit, sql.fragment`WHERE (t.created_at, t.id) < (${after.created_at}::timestamptz, ${after.id}::uuid)`)}`);
}

/** Changes a task. Its version is looked at by the writing statement itself: of two writers, one finds it changed. */
export async function updateTask(
  pool: DatabasePool,
  { id, versions, changes, requestId }: TaskTarget & { changes: TaskChanges },
): Promise<StoredTask | null> {
  // A field that the JSON lacks is taken from the row, as it is when the row is locked.
  return pool.maybeOne(sql.prepared('update_task', StoredTask)`
    WITH ${writtenBy('rest', requestId)}
    UPDATE public.tasks AS t
    SET (title, description, status, priority, due_at, labels) = (
      SELECT n.title, n.description, n.status, n.priority, n.due_at, n.labels
      FROM jsonb_populate_record(t, ${JSON.stringify(changes)}::jsonb) AS n
    )
    FROM context
    WHERE ${isTarget(id, versions)}
    RETURNING t.id::text AS id, t.version, feed.render(t)::text AS document`);
}

/** Whether there was such a task to delete. */
export async function deleteTask(
  pool: DatabasePool,
  { id, versions, requestId }: TaskTarget,
): Promise<boolean> {
  const { rowCount } = await pool.query(sql.prepared('delete_task', z.strictObject({}))`
    WITH ${writtenBy('rest', requestId)}
    DELETE FROM public.tasks AS t
    USING context
    WHERE ${isTarget(id, versions)}`);
  return rowCount > 0;
}

/** Brings a deleted task back as it last was; null if there never was one. Throws `conflict` if it exists. */
export async function restoreTask(
  pool: DatabasePool,
  id: string,
  requestId: string,
): Promise<StoredTask | null> {
  return pool.maybeOne(sql.prepared('restore_task', StoredTask)`
    WITH ${writtenBy('rest', requestId)}
    SELECT (task).id::text AS id, (task).version, feed.render(task)::text AS document
    FROM (SELECT public.restore_task(${id}) AS task FROM context) AS restored`);
}

function page(limit: number, where = sql.fragment``) {
  return sql.fragment`
    SELECT t.id::text AS id, feed.rfc3339(t.created_at) AS created_at, feed.render(t)::text AS document
    FROM public.tasks AS t
    ${where}
    ORDER BY t.created_at DESC, t.id DESC
    LIMIT ${limit}`;
}

// The list goes as one text: a prepared statement must read the same with and without it.
function isTarget(id: string, versions: readonly number[] | undefined) {
  const allowed = versions ? `{${versions.join(',')}}` : null;
  return sql.fragment`t.id = ${id} AND (${allowed}::bigint[] IS NULL OR t.version = ANY (${allowed}::bigint[]))`;
}
