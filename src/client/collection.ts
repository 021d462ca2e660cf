// The rows of a topic that meet a query, as they are: read once, kept by events, with what is under way laid over them.
import type { Environment } from './environment.ts';
import type { Feed, Listener } from './feed.ts';
import { createLink } from './link.ts';
import { compareBy, isSame, meets } from './order.ts';
import { type Ask, queryOf } from './rest.ts';
import type { AnyRow, Frame, OtherEvent, Query } from './types.ts';

const LINGER = 5_000; // ms that it is kept up when nobody looks any more
const FRAME = 10; // ms for which changes are gathered before they are told

/** `loading` without rows, `stale` with rows that may have changed since, `past` while it shows how it was. */
export type CollectionState = 'idle' | 'loading' | 'live' | 'stale' | 'denied' | 'past';

/** A collection as it is now; the same object until something changes. */
export interface Snapshot<Row> {
  readonly state: CollectionState;
  readonly items: readonly Row[];
}

/** What a collection knew, to begin with elsewhere. */
export interface Dehydrated<Row = AnyRow> {
  topic: string;
  query: Query;
  rows: Row[];
  /** -1 where it was not looked at: the rows are shown, and read anew. */
  position: number;
  log: string;
}

/** Rows that keep themselves up to date. */
export interface Collection<Row> {
  readonly topic: string;
  readonly query: Query;
  readonly state: CollectionState;
  /** The rows are as of this position. */
  readonly position: number | undefined;
  /** The same array until something changes; so is each row. */
  readonly items: readonly Row[];
  /** Calls back after every change, until what it returns is called. As long as somebody looks so, it is kept up. */
  subscribe(act: () => void): () => void;
  snapshot(): Snapshot<Row>;
  /** Resolves once there are rows. */
  readonly ready: Promise<void>;
  /** Shows the rows as they were at a position or a time, read-only, until live(). */
  at(moment: number | string): Promise<Collection<Row>>;
  live(): Collection<Row>;
}

/** What else the client knows of it. */
export interface KeptCollection extends Collection<AnyRow> {
  /** What lies over the rows has changed. */
  touch(): void;
  versionOf(id: string): number | undefined;
  dehydrate(): Dehydrated;
  close(): void;
}

/** What a collection stands on. */
interface CollectionOptions {
  env: Environment;
  feed: Feed;
  ask: Ask;
  topic: string;
  query: Query;
  from?: Dehydrated | undefined;
  /** What lies over the rows. */
  overlay?:
    | {
        doubts(): readonly object[];
        ids(): Iterable<string>;
        over(id: string, row: AnyRow | undefined): AnyRow | undefined;
      }
    | undefined;
}

type RowMap = Map<string, AnyRow>;

/** A collection that nobody looks at yet. */
export function createCollection(options: CollectionOptions): KeptCollection {
  const { env, feed, ask, topic, query, overlay, from } = options;
  const compare = compareBy(topic, query.sort);
  const lookers = new Set<() => void>();
  // What is synced: the rows as of a position, and what came since.
  let rows: RowMap | undefined = from && mapOf(from.rows);
  let base = from?.position ?? -1; // -1: there is nothing to go on from
  // What is read anew, beside them.
  let fresh: { rows: RowMap; position?: number } | undefined; // with a position once it is whole
  let since: OtherEvent[] = [];
  let doubts: readonly object[] | undefined;
  let past: { rows: RowMap; position: number | undefined } | undefined;
  let journeys = 0;
  let isKept = false;
  let closing: ReturnType<typeof setTimeout> | undefined;
  // What is shown.
  const shown: RowMap = new Map();
  let shot: Snapshot<AnyRow> = { state: 'idle', items: [] };
  let toldShot = shot;
  let dirty: Set<string> | 'all' = 'all';
  let isTelling = false;
  let load = () => {};
  const loaded = new Promise<void>(resolve => {
    load = resolve;
  });
  if (rows) load();

  const listener: Listener = {
    topic,
    event(event) {
      if (fresh) since.push(event);
      if (rows && event.position > base) {
        take(rows, event);
        if (dirty !== 'all') dirty.add(event.subject);
        tell();
      }
    },
    moved() {
      swap();
      tell();
    },
    reset() {
      base = -1;
      readAnew();
    },
  };

  const link = createLink(env, path, hear, tell);

  function path(): string {
    if (topic !== 'tasks') return `/ws/events${queryOf({ topic, snapshot: true })}`;
    const { status, priority, label, source } = query.where ?? {}; // what the service can tell apart
    return `/ws/tasks${queryOf({ snapshot: true, status, priority, label, source })}`;
  }

  function hear({ type, head, log, data, last, position }: Frame): void {
    if (type === 'ready') {
      fresh = { rows: new Map() };
      doubts = overlay?.doubts(); // what is sent from here on comes behind them
      feed.begin(head, log);
    }
    if (type !== 'snapshot' || !fresh) return;
    for (const row of data) if (meets(query.where, row)) fresh.rows.set(row.id, row);
    if (!last) return;
    link.close(true);
    fresh.position = position as number;
    swap();
  }

  function readAnew(): void {
    since = [];
    fresh = { rows: new Map() };
    link.close();
    link.open();
  }

  // In one step. The rows may show a change of ours of which neither answer nor event has come; nor will the event, if it lies
  // before where the socket began: beside what is shown of it already it would stand twice.
  function swap(): void {
    const position = fresh?.position;
    if (!fresh || position === undefined || listener.from === undefined) return;
    if (position < listener.from) return void readAnew(); // what lies between came to nobody
    if (overlay?.doubts().some(each => doubts?.includes(each))) return;
    rows = fresh.rows;
    base = position;
    for (const event of since) if (event.position > position) take(rows, event);
    since = [];
    fresh = undefined;
    load();
    touch();
  }

  function take(into: RowMap, { type, subject, data }: OtherEvent): void {
    const { previous, ...entity } = data;
    const [row] = Object.values(entity) as AnyRow[];
    if (row && !type.endsWith('_deleted') && meets(query.where, row)) into.set(subject, row);
    else into.delete(subject);
  }

  function look(): void {
    if (isKept) return;
    isKept = true;
    feed.add(listener);
    if (base >= 0) feed.begin(base, from?.log);
    if ((feed.position ?? Infinity) > base) readAnew();
    tell();
  }

  function leave(): void {
    if (lookers.size > 0) return;
    clearTimeout(closing);
    closing = setTimeout(() => lookers.size > 0 || close(), LINGER);
  }

  function close(): void {
    clearTimeout(closing);
    if (!isKept) return;
    isKept = false;
    base = -1;
    listener.from = undefined;
    link.close();
    feed.remove(listener);
    fresh = undefined;
  }

  // At once: a page that answers its user's typing cannot wait.
  function touch(): void {
    dirty = 'all';
    swap();
    call();
  }

  function call(): void {
    if (lookers.size === 0 || snapshot() === toldShot) return;
    toldShot = shot;
    for (const each of lookers) each();
  }

  // To a screen never more often than it is drawn.
  function tell(): void {
    if (isTelling) return;
    isTelling = true;
    setTimeout(() => {
      isTelling = false;
      call();
    }, FRAME);
  }

  function stateOf(): CollectionState {
    if (past) return 'past';
    if (!isKept) return 'idle';
    if ([feed.state, link.state].includes('denied')) return 'denied';
    if (!rows) return 'loading';
    return feed.state === 'live' && !fresh ? 'live' : 'stale';
  }

  function snapshot(): Snapshot<AnyRow> {
    const state = stateOf();
    const items = arrange();
    if (state !== shot.state || items !== shot.items) shot = { state, items };
    return shot;
  }

  function arrange(): readonly AnyRow[] {
    const { items } = shot;
    if (dirty !== 'all' && dirty.size === 0) return items;
    const source: RowMap = past?.rows ?? rows ?? new Map();
    const over = past ? undefined : overlay;
    const ids =
      dirty === 'all' ? new Set([...shown.keys(), ...source.keys(), ...(over?.ids() ?? [])]) : dirty;
    let isChanged = false;
    const come: AnyRow[] = [];
    for (const id of ids) {
      const before = shown.get(id);
      const row = over ? over.over(id, source.get(id)) : source.get(id);
      const after = row && meets(query.where, row) ? row : undefined;
      if (isSame(before, after)) continue;
      isChanged = true;
      shown.delete(id);
      if (!after) continue;
      shown.set(id, after);
      come.push(after);
    }
    dirty = new Set();
    // Sorted already but for what has come, which is what sort() is quick with.
    return isChanged ? [...items.filter(row => shown.get(row.id) === row), ...come].sort(compare) : items;
  }

  async function readPast(moment: number | string): Promise<RowMap> {
    const found: RowMap = new Map();
    let cursor: string | null | undefined;
    do {
      const page: { data: AnyRow[]; next_cursor: string | null } = await ask(
        `/${topic}${queryOf({ as_of: moment, limit: 200, cursor })}`,
      );
      for (const row of page.data) found.set(row.id, row);
      cursor = page.next_cursor;
    } while (cursor);
    return found;
  }

  const collection: KeptCollection = {
    topic,
    query,
    get state() {
      return snapshot().state;
    },
    get position() {
      if (past) return past.position;
      return base < 0 || fresh ? undefined : Math.max(base, feed.position ?? 0);
    },
    get items() {
      return snapshot().items;
    },
    snapshot,
    subscribe(act) {
      lookers.add(act);
      look();
      if (lookers.size === 1) toldShot = snapshot();
      return () => {
        lookers.delete(act);
        leave();
      };
    },
    get ready() {
      look();
      leave();
      return loaded;
    },
    async at(moment) {
      const journey = ++journeys;
      const found = await readPast(moment);
      if (journey !== journeys) return collection;
      past = { rows: found, position: typeof moment === 'number' ? moment : undefined };
      touch();
      return collection;
    },
    live() {
      journeys++;
      past = undefined;
      touch();
      return collection;
    },
    touch,
    versionOf: id => rows?.get(id)?.version,
    close,
    dehydrate() {
      const { position = -1 } = collection;
      return { topic, query, rows: [...(rows?.values() ?? [])], position, log: feed.log ?? '' };
    },
  };
  return collection;
}

const mapOf = (rows: readonly AnyRow[]): RowMap => new Map(rows.map(row => [row.id, row]));
