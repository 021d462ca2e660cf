// A client of an instance, closed when its test ends, and what tests ask of its collections.
import type { ExecutionContext } from 'ava';
import type pg from 'pg';
import { type Client, type Collection, connect, type Options } from '../../src/client/client.ts';
import { until } from './until.ts';

/** Connects; an error that nobody awaits fails the test. */
export function clientOf(t: ExecutionContext<never>, url: string, options: Partial<Options> = {}): Client {
  const client = connect({ url, onError: error => t.fail(error.message), ...options });
  t.teardown(client.close);
  return client;
}

/** Looks at a collection until the test ends: what it showed, from the first rows on, one entry a callback. */
export async function watch<Row>(
  t: ExecutionContext<never>,
  collection: Collection<Row>,
): Promise<(readonly Row[])[]> {
  const seen: (readonly Row[])[] = [];
  t.teardown(collection.subscribe(() => seen.push(collection.items)));
  await collection.ready;
  await until(() => collection.state === 'live');
  return seen;
}

/** Waits until a client that looks at tasks has heard of all that was committed so far. */
export async function heard(client: Client, psql: pg.Client): Promise<void> {
  const { rows } = await psql.query(`INSERT INTO tasks (title) VALUES ('heard of') RETURNING id`);
  await psql.query('DELETE FROM tasks WHERE id = $1', [rows[0].id]);
  const last = () =>
    psql.query(`SELECT "position" FROM feed.events WHERE subject = $1 AND type = 'task_deleted'`, [
      rows[0].id,
    ]);
  const {
    rows: [found],
  } = await until(last, ({ rows }) => rows.length > 0);
  await until(() => (client.position ?? 0) >= Number(found.position));
}

/** Every answer of a list, page after page. */
export async function listAll<Row>(url: string, path: string): Promise<Row[]> {
  const rows: Row[] = [];
  for (let next: string | null | undefined = `${path}${path.includes('?') ? '&' : '?'}limit=200`; next; ) {
    const page = (await (await fetch(`${url}${next}`)).json()) as { data: Row[]; next_cursor: string | null };
    rows.push(...page.data);
    next = page.next_cursor && `${path}${path.includes('?') ? '&' : '?'}limit=200&cursor=${page.next_cursor}`;
  }
  return rows;
}
