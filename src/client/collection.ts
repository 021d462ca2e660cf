// The rows of a topic that meet a query, as they are: read once, kept by events, with what is under way laid over them.
import type { Environment } from './environment.ts';
import type { Feed, Listener } from './feed.ts';
import { createLink } from './link.ts';
import { compareBy, isSame, meets } from './order.ts';
import type { Ask } from './rest.ts';
import type { AnyRow, OtherEvent, Query, State } from './types.ts';

const LINGER = 5_000; // ms that it is kept up when nobody looks any more
const FRAME = 16; // ms between two calls back, at least
const SERVER_FILTERS: readonly string[] = ['status', 'priority', 'label', 'source'];

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
  /** Some rows look different; all, where none are named. */
  touch(ids: Iterable<string>): void;
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
        readonly isWaiting: boolean;
        ids(): Iterable<string>;
        over(id: string, row: AnyRow | undefined): AnyRow | undefined;
      }
    | undefined;
}

type RowMap = Map<string, AnyRow>;
type Word = [name: string, value: string];

/** A collection that nobody looks at yet. */
export function createCollection(options: CollectionOptions): KeptCollection {
  const { env, feed, ask, topic, query, overlay, from } = options;
  const compare = compareBy(topic, query.sort);
  const lookers = new Set<() => void>();
  // What is synced: the rows as of a position, and what came since.
  let rows: RowMap | undefined = from && mapOf(from.rows);
  let base = from?.position;
  let log = from?.log;
  // What is read anew, beside them.
  let fresh: { rows: RowMap; position?: number; isWhole?: boolean } | undefined;
  let since: OtherEvent[] = [];
  let past: { rows: RowMap; position: number | undefined } | undefined;
  let journeys = 0;
  let isKept = false;
  let closing: unknown;
  // What is shown.
  const shown: RowMap = new Map();
  let shot: Snapshot<AnyRow> = { state: 'idle', items: [] };
  let toldShot = shot;
  let dirty: Set<string> | 'all' = 'all';
  let telling: unknown;
  let toldAt = -FRAME;
  let loaded = Promise.withResolvers<void>();

  const listener: Listener = {
    topic,
    event(event) {
      if (fresh) since.push(event);
      if (rows && event.position > (base as number)) {
        take(rows, event);
        touch([event.subject]);
      }
    },
    moved() {
      swap();
      tell();
    },
    reset() {
      base = 0; // of another log, perhaps
      readAnew();
    },
  };

  const link = createLink(env, {
    path() {
      const filters = Object.entries(query.where ?? {}).filter(
        ([name]) => topic === 'tasks' && SERVER_FILTERS.includes(name),
      );
      const words = filters.flatMap(([name, wanted]) => [wanted].flat().map((value): Word => [name, value]));
      const place = topic === 'tasks' ? '/ws/tasks?' : `/ws/events?${new URLSearchParams({ topic })}&`;
      return `${place}${new URLSearchParams([['snapshot', 'true'], ...words])}`;
    },
    hear(frame) {
      if (frame.type === 'ready') {
        fresh = { rows: new Map() };
        log = frame.log;
        feed.begin(frame.head, frame.log);
      }
      if (frame.type !== 'snapshot' || !fresh) return;
      for (const row of frame.data) if (meets(query.where, row)) fresh.rows.set(row.id, row);
      if (!frame.last) return;
      link.close(true);
      fresh.position = frame.position as number;
      fresh.isWhole = true;
      swap();
    },
    changed: () => tell(),
  });

  function readAnew(): void {
    since = [];
    fresh = { rows: new Map() };
    link.close();
    link.open();
  }

  // In one step, once the socket has come as far, if the rows could show a change of ours before its event comes.
  function swap(): void {
    if (!fresh?.isWhole || listener.from === undefined) return;
    const position = fresh.position as number;
    if (position < listener.from) return void readAnew(); // what lies between came to nobody
    if (overlay?.isWaiting && (feed.position as number) < position) return;
    rows = fresh.rows;
    base = position;
    for (const event of since) if (event.position > position) take(rows, event);
    since = [];
    fresh = undefined;
    loaded.resolve();
    touch();
  }

  function take(into: RowMap, { type, subject, data }: OtherEvent): void {
    const { previous, ...entity } = data;
    const [row] = Object.values(entity) as AnyRow[];
    if (row && !type.endsWith('_deleted') && meets(query.where, row)) into.set(subject, row);
    else into.delete(subject);
  }

  function look(): void {
    env.clock.clearTimeout(closing);
    if (isKept) return;
    isKept = true;
    feed.add(listener);
    if (rows && feed.position === undefined) feed.begin(base, log);
    if (!rows || feed.position === undefined || feed.position > (base as number)) readAnew();
    else loaded.resolve();
    tell();
  }

  function leave(): void {
    env.clock.clearTimeout(closing);
    closing = env.clock.setTimeout(close, LINGER);
  }

  function close(): void {
    env.clock.clearTimeout(closing);
    if (!isKept) return;
    isKept = false;
    if (rows && !fresh) base = Math.max(base as number, feed.position ?? 0);
    log = feed.log ?? log;
    listener.from = undefined;
    link.close();
    feed.remove(listener);
    fresh = undefined;
    loaded = Promise.withResolvers();
  }

  function touch(ids?: Iterable<string>): void {
    if (!ids) dirty = 'all';
    else if (dirty !== 'all') for (const id of ids) dirty.add(id);
    tell();
  }

  // At once, but to a screen never more often than it is drawn.
  function tell(): void {
    if (telling !== undefined || lookers.size === 0) return;
    const wait = toldAt + FRAME - env.clock.now();
    const act = () => {
      telling = undefined;
      toldAt = env.clock.now();
      if (snapshot() === toldShot) return;
      toldShot = shot;
      for (const each of [...lookers]) each();
    };
    telling = true;
    if (wait <= 0 || wait > FRAME) queueMicrotask(act);
    else env.clock.setTimeout(act, wait);
  }

  function stateOf(): CollectionState {
    if (past) return 'past';
    if (!isKept) return 'idle';
    const denied: State = 'denied';
    if (feed.state === denied || link.state === denied) return 'denied';
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
    const source = past?.rows ?? rows ?? new Map<string, AnyRow>();
    const over = past ? undefined : overlay;
    const ids =
      dirty === 'all' ? new Set([...shown.keys(), ...source.keys(), ...(over?.ids() ?? [])]) : dirty;
    const gone = new Set<AnyRow>();
    const come: AnyRow[] = [];
    for (const id of ids) {
      const before = shown.get(id);
      const row = over ? over.over(id, source.get(id)) : source.get(id);
      const after = row && meets(query.where, row) ? row : undefined;
      if (isSame(before, after)) continue;
      if (before) gone.add(before);
      if (after) come.push(after);
      if (after) shown.set(id, after);
      else shown.delete(id);
    }
    dirty = new Set();
    if (gone.size + come.length === 0) return items;
    return [...items.filter(row => !gone.has(row)), ...come].sort(compare);
  }

  async function readPast(moment: number | string): Promise<RowMap> {
    const found: RowMap = new Map();
    let cursor: string | null = '';
    while (cursor !== null) {
      const words: Record<string, string> = { as_of: `${moment}`, limit: '200', ...(cursor && { cursor }) };
      const page: { data: AnyRow[]; next_cursor: string | null } = await ask(
        `/${topic}?${new URLSearchParams(words)}`,
      );
      for (const row of page.data) found.set(row.id, row);
      cursor = page.next_cursor;
    }
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
      return rows && !fresh ? Math.max(base as number, (isKept && feed.position) || 0) : undefined;
    },
    get items() {
      return snapshot().items;
    },
    snapshot,
    subscribe(act) {
      const looker = () => act();
      lookers.add(looker);
      look();
      if (lookers.size === 1) toldShot = snapshot();
      return () => {
        lookers.delete(looker);
        if (lookers.size === 0) leave();
      };
    },
    get ready() {
      look();
      if (lookers.size === 0) leave();
      return loaded.promise;
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
      const { position, topic, query } = collection;
      if (!rows || position === undefined) throw new Error('there are no rows yet: await ready first');
      return { topic, query, rows: [...rows.values()], position, log: feed.log ?? (log as string) };
    },
  };
  return collection;
}

const mapOf = (rows: readonly AnyRow[]): RowMap => new Map(rows.map(row => [row.id, row]));
