// Tasks: what the noun is to the database, and the queries that no other noun has.
import { sql } from 'slonik';
import { Stored } from './entities.ts';
import type { Noun } from './noun.ts';
import { writtenBy } from './origin.ts';
import type { DatabasePool } from './pool.ts';

export const tasks: Noun = {
  topic: 'tasks',
  entity: 'task',
  table: ['public', 'tasks'],
  columns: {
    title: 'text',
    description: 'text',
    status: 'text',
    priority: 'text',
    due_at: 'timestamptz',
    labels: 'text[]',
  },
  sorts: { created_at: { by: sql.fragment`t.created_at`, type: 'timestamptz' } },
  defaultSort: '-created_at',
  hasCreatedAt: true,
};

/** Brings a deleted task back as it last was; null if there never was one. Throws `conflict` if it exists. */
export async function restoreTask(pool: DatabasePool, id: string, requestId: string): Promise<Stored | null> {
  return pool.maybeOne(sql.prepared('restore_task', Stored)`
    WITH ${writtenBy('rest', requestId)}
    SELECT (task).id::text AS id, (task).version, feed.render(task)::text AS document
    FROM (SELECT public.restore_task(${id}) AS task FROM context) AS restored`);
}
