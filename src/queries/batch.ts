// Many writes to the rows of a resource, in the order of a list, all or nothing.
import { sql } from 'slonik';
import { z } from 'zod';
import { ServiceError, type Violation } from '../errors.ts';
import { databaseErrorOf, translateDatabaseError } from '../postgres/errors.ts';
import type { Connection } from '../postgres/pool.ts';
import { type Author, writtenBy } from './origin.ts';
import type { Resource } from './resource.ts';

const Applied = z.strictObject({ document: z.string().nullable() });

/**
 * Applies the operations, which have been checked; see sql/rest/apply_batch.sql. The rows as they then are, null for
 * a deleted one. Throws with the place of the operation that could not be done: `/operations/3/task/title`.
 */
export async function applyBatch(
  connection: Connection,
  { topic, entity, columns }: Resource,
  operations: readonly object[],
  author: Author,
): Promise<readonly (string | null)[]> {
  // In the list of what is selected: there it is called when the row of the context has been read.
  const rows = await connection
    .any(
      sql.prepared('apply_batch', Applied)`
        WITH ${writtenBy('rest', author)}
        SELECT public.apply_batch(
          ${topic}, ${sql.array(Object.keys(columns), 'text')}, ${JSON.stringify(operations)}::jsonb) AS document
        FROM context`,
    )
    .catch((error: unknown) => {
      throw placed(error, entity);
    });
  return rows.map(({ document }) => document);
}

function placed(error: unknown, entity: string): unknown {
  const at = /^operation (\d+)$/.exec(databaseErrorOf(error)?.detail ?? '')?.[1];
  const known = translateDatabaseError(error);
  if (at === undefined || !known) return error;
  return new ServiceError(known.code, `operation ${at}: ${known.message}`, {
    violations: faultsAt(`/operations/${at}`, known, entity),
    headers: { ...known.headers },
    cause: error,
  });
}

// A row's own fields stand below its entity's name, what the operation says of the row beside it.
function faultsAt(place: string, { code, violations, message }: ServiceError, entity: string): Violation[] {
  if (code === 'not_found') return [{ path: `${place}/id`, message }];
  if (code === 'stale') return [{ path: `${place}/version`, message }];
  if (violations.length === 0) return [{ path: place, message }];
  return violations.map(violation => ({ ...violation, path: `${place}/${entity}${violation.path}` }));
}
