// What a resource is to the database: a row of a table that people keep, told of by the log. Everything that is the same
// for every resource is done from this description, see entities.ts.
import { type FragmentSqlToken, sql } from 'slonik';

export interface Resource {
  /** The topic of its events, and the last part of its path: tasks. */
  topic: string;
  /** What one row is called: task. */
  entity: string;
  /** Schema and name. Its key is `id`, a uuid; it has a `version` and a feed.render(). */
  table: readonly [schema: string, name: string];
  /** The columns that a client may write, and their types. */
  columns: Readonly<Record<string, ColumnType>>;
  /** A second unique column that it may be found by, and how its values are written, so that none is taken for an id. */
  naturalKey?: { column: string; pattern: RegExp; normalise(text: string): string };
  /** What lists may be sorted by. */
  sorts: Readonly<Record<string, Sort>>;
  /** The name of a sort, with - for descending. */
  defaultSort: string;
  /** What lists may be filtered by. */
  filters?: Readonly<Record<string, Filter>>;
  /** Those of them that only an index may answer: trying them on row after row would take too long. */
  searches?: readonly string[];
  /** Whether rows have a created_at that never changes: the list as of a moment is then sorted by it, else by id. */
  hasCreatedAt: boolean;
}

export type ColumnType = 'text' | 'timestamptz' | 'date' | 'int4' | 'numeric' | 'text[]';

export interface Sort {
  /** Of a row `t`, as an index on it and the id has it; NULLs stand last in either direction. */
  by: FragmentSqlToken;
  /** Of `by`. */
  type: Exclude<ColumnType, 'text[]'>;
  nullable?: boolean;
}

/** The condition on a row `t` that a filter's values make. */
export type Filter = (values: readonly string[]) => FragmentSqlToken;

/** Where a page begins: behind the row with this key and id. */
export interface After {
  key: string | null;
  id: string;
}

/** A sort and its direction. */
export interface Order extends Sort {
  name: string;
  descending: boolean;
}

/** The names of all that the resource may be sorted by, in both directions. */
export function sortsOf({ sorts }: Resource): string[] {
  return Object.keys(sorts).flatMap(name => [name, `-${name}`]);
}

/** The sort of a name such as created_at or -created_at. Throws for one that the resource does not have. */
export function orderOf({ sorts, topic }: Resource, name: string): Order {
  const descending = name.startsWith('-');
  const sort = sorts[descending ? name.slice(1) : name];
  if (!sort) throw new TypeError(`${topic} cannot be sorted by ${name}`);
  return { ...sort, name, descending };
}

/** The key by which a row is sorted, as text that gives the same value when it is read again. */
export function keyOf({ by, type }: Sort): FragmentSqlToken {
  return type === 'timestamptz' ? sql.fragment`feed.rfc3339(${by})` : sql.fragment`(${by})::text`;
}

/** The order among rows that have the key, or among those that have not, as an index on it and the id has it. */
export function orderBy({ by, descending }: Order): FragmentSqlToken {
  return descending ? sql.fragment`${by} DESC, t.id DESC` : sql.fragment`${by}, t.id`;
}

/**
 * The stretches of an index that a list behind a row is made of, one after the other: the rows that have the key, then
 * those without. In one stretch an index would have to hold NULLs last in both directions, so it would have to be two.
 */
export function stretchesOf(order: Order, after: After | undefined): FragmentSqlToken[] {
  const { by, type, descending, nullable } = order;
  const than = descending ? sql.fragment`<` : sql.fragment`>`;
  if (after?.key === null) return [sql.fragment`${by} IS NULL AND t.id ${than} ${after.id}::uuid`];
  // Comparing rows, not key by key: an index finds the place.
  const behind = after
    ? sql.fragment`(${by}, t.id) ${than} (${after.key}::${sql.identifier([type])}, ${after.id}::uuid)`
    : sql.fragment`true`;
  return nullable ? [sql.fragment`${by} IS NOT NULL AND ${behind}`, sql.fragment`${by} IS NULL`] : [behind];
}
