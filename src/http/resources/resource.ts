// A resource as REST shows it: from this its operations are made.
import { z } from 'zod';
import { ServiceError } from '../../errors.ts';
import type { Connection, DatabasePool } from '../../postgres/pool.ts';
import { type Fields, identify, type Stored } from '../../queries/entities.ts';
import type { Author } from '../../queries/origin.ts';
import type { Resource } from '../../queries/resource.ts';
import type { Scope } from '../../scopes.ts';
import { UUID } from '../input/fields.ts';

export interface RestResource {
  resource: Resource;
  /** What its clients must be allowed to. */
  scopes: { read: Scope; write: Scope };
  /** One as it is answered; has an id for its component, such as Task. */
  Entity: z.ZodType;
  /** The body of POST, defaults filled in: every column that a client may write. */
  New: z.ZodType<Fields>;
  /** The body of PATCH, a merge patch (RFC 7396). */
  Patch: z.ZodType<Fields>;
  /** The query parameters of its list that are filters: those of the resource, by their names. */
  filters?: Readonly<Record<string, z.ZodType<readonly string[] | undefined>>>;
  /** Whether many may be written in one request. */
  hasBatch?: boolean;
  /** Whether its events may be read, also after its deletion. */
  hasHistory: boolean;
  /** Whether it may be read as it was at a moment of the log. */
  hasPast: boolean;
  /** Brings a deleted one back, where that can be; null if there never was one. */
  restore?: (connection: Connection, id: string, author: Author) => Promise<Stored | null>;
}

/** Where is done what may take long, so that it holds up nothing else. */
export interface Lanes {
  /** Searches, histories and lists of the past. */
  searches: DatabasePool;
  /** Lists with filters. */
  lists: DatabasePool;
  /** Batches, which may wait for many rows. */
  batches: DatabasePool;
  /** Changes and deletions, which may wait for a row that another transaction holds. */
  changes: DatabasePool;
  /** Where a standby can tell what was there at a position, it is asked, or else the primary. */
  past?: <Result>(
    position: number,
    ask: (standby: DatabasePool) => Promise<Result>,
    otherwise: () => Promise<Result>,
  ) => Promise<Result>;
}

/** A resource and where its rows are. */
export interface Served extends RestResource {
  pool: DatabasePool;
  lanes: Lanes;
}

/** What stands in the path for one: its id, or its second key where the resource has one. */
export function referenceTo({ entity, naturalKey }: Resource) {
  const id = z
    .string()
    .refine(text => UUID.test(text) || naturalKey?.pattern.test(text), {
      error: ({ input }) => `there is no ${entity} ${input}`,
    })
    .transform(text => (naturalKey && !UUID.test(text) ? naturalKey.normalise(text) : text))
    .meta(
      naturalKey
        ? { description: `The id, or the ${naturalKey.column}, in capitals or not.` }
        : { format: 'uuid' },
    );
  return z.object({ id });
}

/** The id that a reference means. Throws 404 if it is no id and nothing has it for its second key. */
export async function resolve(
  { pool, resource }: { pool: Connection; resource: Resource },
  reference: string,
): Promise<string> {
  if (UUID.test(reference)) return reference;
  const id = await identify(pool, resource, reference);
  if (id === null) throw notFound(resource, reference);
  return id;
}

export function notFound({ entity }: Resource, reference: string): ServiceError {
  return new ServiceError('not_found', `there is no ${entity} ${reference}`);
}
