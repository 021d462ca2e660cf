// What a source of tasks is, and what the generator takes from one.
import { z } from 'zod';
import { timestamp } from '../../parsing/timestamp.ts';
import { trim } from '../../parsing/trim.ts';
import type { ImportItem } from '../../queries/imports.ts';
import { readFound, reasonOf } from '../fetch/fault_words.ts';
import type { Fetched, FetchOptions } from '../fetch/fetch_bytes.ts';

/** One place to read from, as configured: the adapter, by name, and an address other than its own. */
export interface TaskSource {
  adapter: string;
  url: string | undefined;
}

/** An item that cannot become a task, and why. */
interface RefusedItem {
  external_id: string | null;
  refused: string;
}

export type FoundItem = ImportItem | RefusedItem;

/** A page as it was read last, for a source that answers "not modified" instead of sending it again. */
export interface ReadPage {
  etag: string;
  items: FoundItem[];
  next: string | undefined;
  /** Bytes of the answer that it was read from. */
  size: number;
}

/** How much is read of a source in one run: what never ends must end, and what is far too large must not fill the memory. */
export interface SourceLimits {
  requests: number;
  /** Of all answers together, decoded. */
  bytes: number;
  items: number;
}

/** What an adapter works with. `fetchJson` retries, limits and stops by itself, and throws a SourceError. */
export interface SourceContext {
  url: string;
  /** A secret, for the origin of `url` and no other: in no error, and in nothing that is found. */
  token: string | undefined;
  /** The pages of earlier runs, by address; the adapter's own, until the process ends. */
  pages: Map<string, ReadPage>;
  fetchJson(url: string, options?: FetchOptions): Promise<Fetched<unknown>>;
}

/**
 * Knows one kind of source. `read` gives its items one by one, so that one with pages can fetch them as they are
 * needed. An item's `external_id` never changes, and is unique among all that the adapter reads.
 */
export interface SourceAdapter {
  readonly name: string;
  readonly defaultUrl: string | undefined;
  /** Whether TASK_SOURCES must give an address; what it gives goes before `defaultUrl`. */
  readonly needsUrl?: boolean;
  read(context: SourceContext): AsyncIterable<FoundItem>;
}

const text = z.string().refine(isStorable, 'holds a character that cannot be stored');

// The shape alone: what a task may hold is the database's to say, and it does so for each item.
const Item = z.strictObject({
  external_id: text.refine(id => id !== '' && [...id].length <= 200, 'must have 1 to 200 characters'),
  fields: z.strictObject({
    title: text.transform(trim), // the merge compares with what the database stored
    description: text.nullable().optional(),
    status: text.optional(),
    priority: text.optional(),
    due_at: timestamp.nullable().optional(),
    labels: z.array(text).optional(),
  }),
});

/** The fields of a task that a source may speak about; of what it leaves out it says nothing. */
export type SourceFields = z.input<typeof Item>['fields'];

/** An item as the importer takes it, refused if it has no task's shape. */
export function toItem(external_id: string, fields: SourceFields): FoundItem {
  const result = readFound(Item, { external_id, fields });
  if (result.success) return result.data;
  return { external_id, refused: reasonOf(result.error).replaceAll('fields.', '') };
}

function isStorable(value: string): boolean {
  return value.isWellFormed() && !value.includes('\0');
}
