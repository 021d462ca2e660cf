// The state that a stream of events begins from. It is the state as of a position, so the stream is simply everything
// after that: nothing has to be left out, so nothing can be left out wrongly.
import { setTimeout as pause } from 'node:timers/promises';
import { CutOff } from '../errors.ts';
import { type Filter, meets } from './filter.ts';
import type { Log, SnapshotRow } from './log_reader.ts';

/** A page of rows, rendered; `last` of its topic. */
interface SnapshotPage {
  topic: string;
  rows: readonly string[];
  last: boolean;
}

/** Where a snapshot goes. */
export interface SnapshotOutlet {
  /** Takes a page. False: it is full for now. */
  write(page: SnapshotPage): boolean;
  /** Resolves once it has drained. */
  drained(): Promise<void>;
}

const PAGE_BYTES = 48 * 1024; // of rows, unless one is larger: less than what a socket holds
const READ_BYTES = 4 * PAGE_BYTES;
const FIRST_ROWS = 100; // whose size is not known yet
const MOST_ROWS = 500;
const RETRY = 500; // ms
const PATIENCE = 60_000; // ms

/** The state could not be read for so long that the client had better come back. */
export class Unreadable extends Error {}

interface SnapshotOptions {
  log: Log;
  topics: readonly string[];
  position: number;
  filter: Filter;
  outlet: SnapshotOutlet;
  signal: AbortSignal;
  /** How long a page may fail to be read, in ms (60,000). */
  patience?: number | undefined;
}

/**
 * Writes the rows of each topic as of a position, those that meet the filter, in pages of which at least one comes per
 * topic. A few pages are read at a time, each time a short read, and forgotten when the outlet is full: they are still
 * there to be read. While the log cannot be read it waits, but not for ever: it rejects with Unreadable once a page has
 * failed for a minute. The signal ends it.
 */
export async function sendSnapshot(options: SnapshotOptions): Promise<void> {
  for (const topic of options.topics) {
    let next: Place | undefined = { topic, after: undefined, limit: FIRST_ROWS };
    while (next) {
      const { isFull, rest }: Outcome = await sendSome(options, next);
      if (isFull) await options.outlet.drained();
      next = rest;
    }
  }
}

interface Place {
  topic: string;
  /** The subject after which to go on. */
  after: string | undefined;
  /** How many rows to read. */
  limit: number;
  /** Up to which of them the page was written: all who take the snapshot read the same pages, however they get on. */
  written?: string | undefined;
}

interface Outcome {
  isFull: boolean;
  /** Where to go on; nowhere once the last page was written. */
  rest: Place | undefined;
}

async function sendSome(options: SnapshotOptions, place: Place): Promise<Outcome> {
  const { topic, limit } = place;
  const found = await read(options, place);
  const documents = found.filter(isDocument);
  const isEnd = found.length < limit && documents.length === found.length;
  const from = documents.findIndex(({ subject }) => subject === place.written) + 1;
  // Read again, a page may end elsewhere.
  if (place.written !== undefined && from === 0)
    return { isFull: false, rest: { topic, after: place.written, limit } };
  const rows = documents.slice(from);
  let written = 0;
  let isFull = false;
  for (const page of cut(rows)) {
    written += page.length;
    const last = isEnd && written === rows.length;
    const wanted = page.filter(row => isWanted(options.filter, row)).map(row => row.document);
    isFull = (wanted.length > 0 || last) && !options.outlet.write({ topic, rows: wanted, last });
    if (last) return { isFull, rest: undefined };
    if (isFull) break;
  }
  if (written < rows.length) return { isFull, rest: { ...place, written: rows[written - 1]?.subject } };
  return { isFull, rest: { topic, after: found.at(-1)?.subject, limit: limitFor(documents) } };
}

type Document = SnapshotRow & { document: string };

const isDocument = (row: SnapshotRow): row is Document => row.document !== null;

// As many rows as a few pages hold, if the next are as large as these.
function limitFor(rows: readonly Document[]): number {
  const size = rows.reduce((sum, row) => sum + sizeOf(row), 0) / rows.length;
  return rows.length > 0 ? Math.min(MOST_ROWS, Math.ceil(READ_BYTES / size)) : MOST_ROWS;
}

const sizeOf = (row: Document) => Buffer.byteLength(row.document);

// One page at least, and in it one row at least, if there is one.
function cut(rows: readonly Document[]): readonly (readonly Document[])[] {
  const pages: Document[][] = [[]];
  let bytes = 0;
  for (const row of rows) {
    const size = sizeOf(row);
    if (bytes > 0 && bytes + size > PAGE_BYTES) {
      pages.push([]);
      bytes = 0;
    }
    pages.at(-1)?.push(row);
    bytes += size;
  }
  return pages;
}

async function read(
  { log, position, filter: { subjects }, signal, patience = PATIENCE }: SnapshotOptions,
  { topic, after, limit }: Place,
): Promise<readonly SnapshotRow[]> {
  const wanted = subjects.size > 0 ? [...subjects] : undefined;
  const began = performance.now();
  for (;;) {
    signal.throwIfAborted();
    try {
      return await log.snapshot({ topic, after, limit, position, subjects: wanted });
    } catch (error) {
      if (error instanceof CutOff) throw error;
      if (performance.now() - began >= patience)
        throw new Unreadable('the present state cannot be read', { cause: error });
      await pause(RETRY, undefined, { signal }); // the reader of the log says why
    }
  }
}

function isWanted(filter: Filter, { document }: Document): boolean {
  return filter.fields.size === 0 || meets(filter, JSON.parse(document));
}
