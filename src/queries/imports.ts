// Queries on what the generator has read: which items of a source are new to it, and the import of one.
import type pg from 'pg';
import { z } from 'zod';
import { ask } from './run_session.ts';
import { write } from './write.ts';

/** An item as its source has it: the fields of a task that the source speaks about. */
export interface ImportItem {
  external_id: string;
  fields: Record<string, unknown>;
}

/** What became of an item. */
type ImportOutcome = { kind: 'created' | 'updated' | 'unchanged' } | { kind: 'rejected'; reason: string };

const Position = z.strictObject({ position: z.string().transform(Number) });
const Imported = z.strictObject({ outcome: z.enum(['created', 'updated', 'unchanged']) });

/** The items that are not as the source said last time. The others need no further look. */
export async function findChangedItems(
  client: pg.Client,
  source: string,
  items: readonly ImportItem[],
): Promise<ImportItem[]> {
  const { rows } = await ask(
    client,
    `SELECT said.position::text AS position
     FROM jsonb_array_elements($2::jsonb) WITH ORDINALITY AS said (item, position)
     LEFT JOIN public.imports AS i ON i.source = $1 AND i.external_id = said.item ->> 'external_id'
     WHERE i.item IS DISTINCT FROM said.item -> 'fields'
     ORDER BY said.position`,
    [source, JSON.stringify(items)],
  );
  return z
    .array(Position)
    .parse(rows)
    .flatMap(({ position }) => items[position - 1] ?? []);
}

/** Creates or merges the task of one item, in a transaction of its own. A broken rule is an outcome, not an error. */
export async function importItem(
  client: pg.Client,
  source: string,
  item: ImportItem,
): Promise<ImportOutcome> {
  const outcome = await write(async () => {
    const { rows } = await ask(client, 'SELECT public.import_task($1, $2, $3) AS outcome', [
      source,
      item.external_id,
      JSON.stringify(item.fields),
    ]);
    return Imported.parse(rows[0]).outcome;
  });
  return 'refused' in outcome ? { kind: 'rejected', reason: outcome.refused } : { kind: outcome.written };
}
