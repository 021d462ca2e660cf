// Tasks: what the resource is to the database, and the queries that no other resource has.
import { sql } from 'slonik';
import type { Connection } from '../postgres/pool.ts';
import { Stored } from './entities.ts';
import { type Author, writtenBy } from './origin.ts';
import type { Resource } from './resource.ts';

// A minus means "without" only before a word and behind none; elsewhere it parts words, as in the texts that are searched.
// More than thirty in a row are an error to websearch_to_tsquery(), which takes everything else.
const LOOSE_MINUS = /(?<![\s"]|^)-|-(?![\p{L}\p{N}\p{Extended_Pictographic}"])/gu;

export const tasks: Resource = {
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
  sorts: {
    created_at: { by: sql.fragment`t.created_at`, type: 'timestamptz' },
    updated_at: { by: sql.fragment`t.updated_at`, type: 'timestamptz' },
    due_at: { by: sql.fragment`t.due_at`, type: 'timestamptz', nullable: true },
    priority: { by: sql.fragment`public.priority_rank(t.priority)`, type: 'int4' },
    // By code points: the same on every server, whatever its locale and the version of its libraries.
    title: { by: sql.fragment`t.title COLLATE "C"`, type: 'text' },
  },
  defaultSort: '-created_at',
  filters: {
    status: values => sql.fragment`t.status = ANY (${texts(values)})`,
    priority: values => sql.fragment`t.priority = ANY (${texts(values)})`,
    // The first half is what the index is of.
    label: values => sql.fragment`(t.labels <> '{}' AND t.labels && ${texts(values)})`,
    source: values => sql.fragment`t.source = ANY (${texts(values)})`,
    due_before: values => sql.fragment`t.due_at < ANY (${texts(values)}::timestamptz[])`,
    due_after: values => sql.fragment`t.due_at > ANY (${texts(values)}::timestamptz[])`,
    q: ([text = '']) => {
      const words = sql.fragment`public.search_text(${text.normalize('NFKC').replace(LOOSE_MINUS, ' ')})`;
      return sql.fragment`public.task_search_words(t.title, t.description) @@ (
        websearch_to_tsquery('pg_catalog.simple', ${words}) || websearch_to_tsquery('pg_catalog.russian', ${words}))`;
    },
  },
  searches: ['q'],
  hasCreatedAt: true,
};

function texts(values: readonly string[]) {
  return sql.array([...values], 'text');
}

/** Brings a deleted task back as it last was; null if there never was one. Throws `conflict` if it exists. */
export async function restoreTask(
  connection: Connection,
  id: string,
  author: Author,
): Promise<Stored | null> {
  return connection.maybeOne(sql.prepared('restore_task', Stored)`
    WITH ${writtenBy('rest', author)}
    SELECT (task).id::text AS id, (task).version, feed.render(task)::text AS document
    FROM (SELECT public.restore_task(${id}) AS task FROM context) AS restored`);
}
