// Queries on the rows of any resource. A row leaves the database as the text that feed.render() makes of it, and stays that
// text. The hot ones are prepared: the name of a statement comes from the resource, and one name has one text.
import { type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import { rowNotTaken } from '../postgres/errors.ts';
import { type Connection, noRow, readBriefly } from '../postgres/pool.ts';
import { type Author, writtenBy } from './origin.ts';
import { firstPageOf } from './page.ts';
import {
  type After,
  type ColumnType,
  keyOf,
  type Order,
  orderBy,
  orderOf,
  type Resource,
  stretchesOf,
} from './resource.ts';

/** Columns and their values as JSON has them; what is missing or undefined is left out. */
export type Fields = Readonly<Record<string, FieldValue>>;
type FieldValue = string | number | boolean | null | undefined | readonly string[];

/** A write to one row, if it is in one of these versions (undefined: in any), and in none of the others. */
export interface WriteTarget {
  id: string;
  versions: readonly number[] | undefined;
  otherThan: readonly number[] | undefined;
  author: Author;
}

export const Stored = z.strictObject({ id: z.string(), version: z.number(), document: z.string() });
export type Stored = z.infer<typeof Stored>;

const Listed = z.strictObject({ id: z.string(), key: z.string().nullable(), document: z.string() });
/** A row of a list, and the key it was sorted by. */
export type Listed = z.infer<typeof Listed>;

const Identified = z.strictObject({ id: z.string() });

/** Inserts a row. `fields` holds every column that a client may write: one that is missing would be NULL. */
export async function insertEntity(
  connection: Connection,
  resource: Resource,
  fields: Fields,
  author: Author,
): Promise<Stored> {
  const { table, columns } = partsOf(resource);
  // As values: a record made of JSON, as in updateEntity(), costs PostgreSQL a third more.
  const values = Object.entries(resource.columns).map(([name, type]) => valueAs(fields[name], type));
  const stored = await connection.maybeOne(sql.prepared(`insert_${resource.entity}`, Stored)`
    WITH ${writtenBy('rest', author)}
    INSERT INTO ${table} AS t (${columns})
    SELECT ${sql.join(values, COMMA)}
    FROM context
    RETURNING ${STORED}`);
  if (!stored) throw rowNotTaken();
  return stored;
}

export async function readEntity(
  connection: Connection,
  resource: Resource,
  id: string,
): Promise<Stored | null> {
  return connection.maybeOne(sql.prepared(`read_${resource.entity}`, Stored)`
    SELECT ${STORED}
    FROM ${partsOf(resource).table} AS t
    WHERE t.id = ${id}`);
}

/** The id of the row that has this value in the resource's second key. */
export async function identify(
  connection: Connection,
  resource: Resource,
  value: string,
): Promise<string | null> {
  if (!resource.naturalKey) return null;
  return connection.maybeOneFirst(sql.prepared(`identify_${resource.entity}`, Identified)`
    SELECT t.id::text AS id
    FROM ${partsOf(resource).table} AS t
    WHERE t.${sql.identifier([resource.naturalKey.column])} = ${value}`);
}

export interface ListOptions {
  /** The name of one of the resource's sorts, with - for descending. */
  sort: string;
  /** The values of each of the resource's filters that is in use; a row must meet them all. */
  filters: Readonly<Record<string, readonly string[]>>;
  after: After | undefined;
  limit: number;
}

/** A page of the first rows in an order, or of those behind the one with these keys. */
export async function listEntities(
  connection: Connection,
  resource: Resource,
  { sort, filters, after, limit }: ListOptions,
): Promise<readonly Listed[]> {
  const order = orderOf(resource, sort);
  const conditions = Object.entries(filters).map(([name, values]) => conditionOf(resource, name, values));
  const isSearch = resource.searches?.some(name => name in filters) ?? false;
  const stretches = stretchesOf(order, after)
    // As a test of its truth no index of the sort answers it.
    .map(stretch => (isSearch ? sql.fragment`(${stretch}) IS TRUE` : stretch))
    .map(stretch => rowsOf(resource, order, [stretch, ...conditions], limit));
  const text = firstPageOf(oneAfterTheOther(stretches, limit), { columns: sql.fragment`id, key, document` });
  // A filter's values decide which plan is good, so there is none to keep.
  const isFiltered = Object.keys(filters).length > 0;
  if (isFiltered)
    return readBriefly(connection, async transaction => {
      if (isSearch) await lookUpWords(transaction);
      return transaction.any(sql.type(Listed)`${text}`);
    });
  return connection.any(sql.prepared(nameOfList(resource, order, after), Listed)`${text}`);
}

/** Changes a row. Its version is looked at by the writing statement itself: of two writers, one finds it changed. */
export async function updateEntity(
  connection: Connection,
  resource: Resource,
  { changes, author, ...target }: WriteTarget & { changes: Fields },
): Promise<Stored | null> {
  const { table, columns, ofRecord } = partsOf(resource);
  // A field that the JSON lacks is taken from the row, as it is when the row is locked.
  return connection.maybeOne(sql.prepared(`update_${resource.entity}`, Stored)`
    WITH ${writtenBy('rest', author)}
    UPDATE ${table} AS t
    SET (${columns}) = (
      SELECT ${ofRecord}
      FROM jsonb_populate_record(t, ${JSON.stringify(changes)}::jsonb) AS n
    )
    FROM context
    WHERE ${isTarget(target)}
    RETURNING ${STORED}`);
}

/** Whether there was such a row to delete. */
export async function deleteEntity(
  connection: Connection,
  resource: Resource,
  { author, ...target }: WriteTarget,
): Promise<boolean> {
  const { rowCount } = await connection.query(sql.prepared(`delete_${resource.entity}`, noRow)`
    WITH ${writtenBy('rest', author)}
    DELETE FROM ${partsOf(resource).table} AS t
    USING context
    WHERE ${isTarget(target)}`);
  return rowCount > 0;
}

const COMMA = sql.fragment`, `;
const STORED = sql.fragment`t.id::text AS id, t.version, feed.render(t)::text AS document`;

interface Parts {
  table: FragmentSqlToken;
  columns: FragmentSqlToken;
  /** The same of a record `n`. */
  ofRecord: FragmentSqlToken;
}

const known = new WeakMap<Resource, Parts>();

// Put together once for each resource, not for each query.
function partsOf(resource: Resource): Parts {
  const found = known.get(resource);
  if (found) return found;
  const list = (prefix: readonly string[]) =>
    sql.fragment`${sql.join(
      Object.keys(resource.columns).map(column => sql.identifier([...prefix, column])),
      COMMA,
    )}`;
  const table = sql.fragment`${sql.identifier([...resource.table])}`;
  const parts = { table, columns: list([]), ofRecord: list(['n']) };
  known.set(resource, parts);
  return parts;
}

function valueAs(value: FieldValue = null, type: ColumnType): FragmentSqlToken {
  if (typeof value === 'object' && value !== null) return sql.fragment`${sql.array([...value], 'text')}`;
  return type === 'text[]'
    ? sql.fragment`${value}::text[]`
    : sql.fragment`${value}::${sql.identifier([type])}`;
}

function rowsOf(
  resource: Resource,
  order: Order,
  conditions: readonly FragmentSqlToken[],
  limit: number,
): FragmentSqlToken {
  return sql.fragment`
    SELECT t.id::text AS id, ${keyOf(order)} AS key, feed.render(t)::text AS document
    FROM ${partsOf(resource).table} AS t
    WHERE ${sql.join([...conditions], sql.fragment` AND `)}
    ORDER BY ${orderBy(order)}
    LIMIT ${limit}`;
}

// Materialized parts are read in the order in which they stand, and the later ones only if the page is not full.
function oneAfterTheOther(parts: readonly FragmentSqlToken[], limit: number): FragmentSqlToken {
  const [only, ...others] = parts;
  if (only && others.length === 0) return only;
  const names = parts.map((_, index) => sql.identifier([`part_${index}`]));
  const queries = parts.map((part, index) => sql.fragment`${names[index] ?? ''} AS MATERIALIZED (${part})`);
  const all = names.map(name => sql.fragment`SELECT * FROM ${name}`);
  return sql.fragment`
    WITH ${sql.join(queries, COMMA)}
    ${sql.join(all, sql.fragment` UNION ALL `)}
    LIMIT ${limit}`;
}

function nameOfList({ topic }: Resource, { name }: Order, after: After | undefined): string {
  const first = `list_${topic}_${name}`;
  if (!after) return first;
  return after.key === null ? `${first}_after_null` : `${first}_after`;
}

// PostgreSQL takes every rare word for ten times as frequent as it may be, and would rather walk along the sort, reading
// row after row for words, all of them if there is none: minutes. Without these ways only the index of the words is left,
// and what a search takes grows with what it finds.
async function lookUpWords(transaction: Connection): Promise<void> {
  await transaction.query(sql.unsafe`
    SELECT set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'off', true)`);
}

function conditionOf(
  { filters, topic }: Resource,
  name: string,
  values: readonly string[],
): FragmentSqlToken {
  const filter = filters?.[name];
  if (!filter) throw new TypeError(`${topic} cannot be filtered by ${name}`);
  return filter(values);
}

// Each list goes as one text: a prepared statement must read the same with and without it.
function isTarget({ id, versions, otherThan = [] }: Omit<WriteTarget, 'author'>): FragmentSqlToken {
  const allowed = versions ? `{${versions.join(',')}}` : null;
  return sql.fragment`t.id = ${id}
      AND (${allowed}::bigint[] IS NULL OR t.version = ANY (${allowed}::bigint[]))
      AND t.version <> ALL (${`{${otherThan.join(',')}}`}::bigint[])`;
}
