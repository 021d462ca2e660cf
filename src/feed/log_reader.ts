// The log as this instance's subscriptions read it. Thousands may be behind at once: they take turns, a page each, and
// those who are at the same place share what was read.
import { type FeedEvent, fillPage, type LogRow, toEvent, type WatchedTopic } from '../events.ts';
import type { Logger } from '../logger.ts';
import { createOutage } from '../outage.ts';
import { admits, type Filter } from './filter.ts';
import { createLimiter, type Limiter, nextOfLoop, singleFlight, singleFlightByRequest } from './limiter.ts';

/** Where the log stands: its last position, and the first one it still keeps (head + 1 while it is empty). */
export interface Head {
  /** The id of its present epoch: see migrations/0010_epochs.sql. */
  log: string;
  head: number;
  first: number;
  /** Positions up to this one are in the archive alone; none where it is left out. */
  floor?: number;
  /** Its earlier epochs, each with the last position that it has here; none where it is left out. */
  ends?: ReadonlyMap<string, number>;
}

/** Asks for what follows a position of a log, up to `goal`, which must exist. */
export interface LogPageRequest {
  log: string;
  after: number;
  goal: number;
  filter: Filter;
}

/** Some of the log: every event after `from`, up to and with `through`, that may match. */
export interface LogPage {
  /** Where it was asked to begin, or later, if what lies between is no longer kept. */
  from: number;
  through: number;
  events: readonly FeedEvent[];
}

/** An entity as of a position; without a document, the last of a page, it only tells how far the page came. */
export interface SnapshotRow {
  subject: string;
  document: string | null;
}

/** What is asked of the database. */
export interface LogQueries {
  head(): Promise<Head>;
  /** The events in (after, through], in order, or so many of them as fill a page; none if the log is in another epoch. */
  range(log: string, after: number, through: number): Promise<readonly LogRow[]>;
  /** The same of some subjects only, at most so many, or as fill a page. */
  ofSubjects(subjects: readonly string[], range: LimitedRange): Promise<readonly LogRow[]>;
  /** The same of some topics and types only. */
  ofTypes(selection: Selection, range: LimitedRange): Promise<readonly LogRow[]>;
  /** Of those that are meant among the first `limit` events the last of each entity, and how far was looked. */
  compacted(selection: Selection, range: LimitedRange): Promise<{ rows: readonly LogRow[]; through: number }>;
  topics(): Promise<readonly WatchedTopic[]>;
  snapshot(of: SnapshotRequest): Promise<readonly SnapshotRow[]>;
}

/** Positions in (after, through], at most so many. */
interface LimitedRange {
  after: number;
  through: number;
  limit: number;
}

/** Which events are meant; an empty list asks for nothing. */
interface Selection {
  topics: readonly string[];
  types: readonly string[];
  subjects: readonly string[];
}

interface SnapshotRequest {
  topic: string;
  /** The state is the one as of this position. */
  position: number;
  subjects: readonly string[] | undefined;
  after: string | undefined;
  limit: number;
}

/** The log, read fairly. Whatever rejects may be asked again. */
export interface Log {
  head(): Promise<Head>;
  /** Where a snapshot may be taken: at the head, or in a crowd where another one is that began less than a second ago. */
  moment(): Promise<Head>;
  /** Some of what was asked for: at least one position, unless it is cut off. Rejects in another epoch. */
  page(request: LogPageRequest): Promise<LogPage>;
  /** As page(), but of each entity the last event up to the goal alone, of what is in the database. Its fields are not asked for. */
  compacted(request: LogPageRequest): Promise<LogPage>;
  topics(): Promise<readonly WatchedTopic[]>;
  snapshot(request: SnapshotRequest): Promise<readonly SnapshotRow[]>;
  /** Keeps nothing of what it has read: the log may have gone back, and other events have its positions now. */
  forget(): void;
}

// Positions: pages begin at multiples of it, so that those who are near each other share them. Where the events are large, a
// page ends earlier, and the next one begins there.
const PAGE = 500;
const SPARSE = 10; // of so many events fewer than one is meant: then they are found by their topic and type
const COMPACTED = 5_000; // events that are looked at for one page of the last ones
const KEPT_CHARACTERS = 8 * 1024 * 1024; // twice that and more once they are framed
const KEPT_SNAPSHOTS = 8 * 1024 * 1024; // characters of their pages
const KEPT_FOR = 5_000; // ms that a page of a snapshot is kept
const CROWD = 8; // pages of snapshots that are being read or waited for
const MOMENT = 1_000; // ms for which a crowd's snapshots are of one position
// At a time, of the three connections that there are for the log. The third is for what everybody waits for, and what is
// short: the relay's reading, the head, the topics, and the cleaner.
const READERS = 2;
const SNAPSHOTS = 1; // of these: a page that waits for a locked table holds up no events

/** Reads the log for every subscription of an instance; what they cannot read and wait for is logged once. */
export function createLogReader(queries: LogQueries, logger: Logger): Log {
  const limiter = createLimiter(READERS);
  const snapshotLimiter = createLimiter(SNAPSHOTS);
  const loopLimiter = createLimiter(1);
  const noticeEvents = createNotice(logger, 'events');
  const noticeSnapshots = createNotice(logger, 'snapshots');
  const head = singleFlight(queries.head);
  const note = createNoteOfWithheld(logger);
  const read = async (query: () => Promise<readonly LogRow[]>) =>
    note((await limiter.take(query)).map(toEvent));
  const blocks = createBlocks((log, after, through) => read(() => queries.range(log, after, through)));

  const snapshots = createSnapshotPages(request =>
    noticeSnapshots(() => snapshotLimiter.take(() => limiter.take(() => queries.snapshot(request)))),
  );
  const moment = createMoment(head, () => snapshots.waiting >= CROWD);

  // What an index finds in the database. The floor is asked for afterwards: if it has risen, some may have gone unseen.
  async function pageByIndex(
    { log, after, goal }: Pick<LogPageRequest, 'log' | 'after' | 'goal'>,
    find: (range: LimitedRange) => Promise<readonly LogRow[]>,
  ): Promise<LogPage> {
    const events = await read(() => find({ after, through: goal, limit: PAGE }));
    const { log: now, first, floor = first - 1 } = await head();
    if (now !== log) throw new Error('the log is in another epoch');
    if (floor > after && first - 1 <= after)
      throw new Error('what was to be read has gone to the archive meanwhile');
    const isAll = events.length < PAGE && !fillPage(events.map(event => event.json));
    const through = isAll ? goal : (events.at(-1)?.position ?? goal);
    return { from: Math.max(after, floor), through, events };
  }

  const pageOfSubjects = (request: LogPageRequest) =>
    pageByIndex(request, range => queries.ofSubjects([...request.filter.subjects], range));

  // A block is shared with other readers, and tells how much of the log is meant. Where that is little, the rest is found by its
  // index, without what lies between.
  async function pageOfTypes(request: LogPageRequest): Promise<LogPage> {
    const { goal, filter } = request;
    const block = await pageOfAll(request);
    const meant = block.events.filter(
      ({ topic, type }) => admits(filter.topics, topic) && admits(filter.types, type),
    );
    if (block.through >= goal || meant.length * SPARSE > block.events.length) return block;
    const rest = await pageByIndex({ ...request, after: block.through }, range =>
      queries.ofTypes(selectionOf(filter), range),
    );
    if (rest.from > block.through) return block; // cut off meanwhile, which the next page tells
    return { from: block.from, through: rest.through, events: [...meant, ...rest.events] };
  }

  async function compacted({ log, after, goal, filter }: LogPageRequest): Promise<LogPage> {
    const range = { after, through: goal, limit: COMPACTED };
    const found = await limiter.take(() => queries.compacted(selectionOf(filter), range));
    const events = note(found.rows.map(toEvent));
    const { log: now, first, floor = first - 1 } = await head();
    if (now !== log) throw new Error('the log is in another epoch');
    return { from: Math.max(after, floor), through: found.through, events };
  }

  async function pageOfAll({ log, after, goal }: LogPageRequest): Promise<LogPage> {
    const start = after - (after % PAGE);
    const whole = await blocks.read(log, start, goal);
    const isCut = whole.length > 0 && endOf(whole, start) <= after;
    const block = isCut ? await blocks.read(log, after, goal) : whole;
    // The next one comes while this one is sent, unless another reader needs its own first; who needs it asks again.
    const end = endOf(block, after);
    if (end > after && end < goal && limiter.isFree()) blocks.read(log, end, goal).catch(() => {});
    const events = block.slice(Math.max(0, block.length - (end - after)));
    const through = events.at(-1)?.position ?? after;
    if (events[0]?.position === after + 1) return { from: after, through, events };
    // The log is dense: nothing has come yet, or the beginning was cut off.
    return { from: Math.max(after, (await head()).first - 1), through, events };
  }

  async function page(request: LogPageRequest): Promise<LogPage> {
    const { subjects, topics, types } = request.filter;
    const isSome = subjects.size + topics.size + types.size > 0;
    const found = await (isSome ? pageOfSome(request) : pageOfAll(request));
    if (Math.max(found.from, found.through) > request.after) return found;
    throw new Error(`the log does not show its position ${request.goal}`);
  }

  // An index finds what is in the database. The archive has none: it is read as it lies, and what is not meant passed over.
  async function pageOfSome(request: LogPageRequest): Promise<LogPage> {
    const { floor = 0 } = await head();
    if (request.after < floor) return pageOfAll(request);
    return request.filter.subjects.size > 0 ? pageOfSubjects(request) : pageOfTypes(request);
  }

  return {
    head,
    moment: moment.take,
    page: async request => {
      const found = await noticeEvents(() => page(request));
      // A crowd that reads on takes one page in a turn of the event loop: between two there is room for who is live.
      await loopLimiter.take(nextOfLoop);
      return found;
    },
    compacted: request => noticeEvents(() => compacted(request)),
    topics: singleFlight(queries.topics),
    snapshot: snapshots.read,
    forget() {
      blocks.forget();
      snapshots.forget();
      moment.forget();
    },
  };
}

const selectionOf = ({ topics, types, subjects }: Filter): Selection => ({
  topics: [...topics],
  types: [...types],
  subjects: [...subjects],
});

// A subscription tries again by itself, however often.
function createNotice(logger: Logger, what: string): Limiter['take'] {
  const outage = createOutage(logger, {
    begun: 'subscriptions cannot read the log, and wait for it',
    ended: 'subscriptions read the log again',
    fields: { what },
  });
  return async read => {
    try {
      const result = await read();
      outage.end();
      return result;
    } catch (error) {
      outage.begin(error);
      throw error;
    }
  };
}

// An event that is in the log stays there, and would be told of at each reading: once is enough. feed.verify() names all.
function createNoteOfWithheld(logger: Logger) {
  let isTold = false;
  return (events: readonly FeedEvent[]) => {
    const withheld = isTold ? undefined : events.find(event => event.isWithheld);
    if (withheld) {
      isTold = true;
      const { position, topic, subject } = withheld;
      logger.error(
        { position, topic, subject },
        'the log has an event that is larger than any reader could take: it is told without its data',
      );
    }
    return events;
  };
}

// Pages of snapshots. The state as of a position is one state, for every client: a crowd that comes at once, or one shortly
// after the other, has each page read once.
function createSnapshotPages(read: (request: SnapshotRequest) => Promise<readonly SnapshotRow[]>) {
  let kept = new Map<string, { rows: readonly SnapshotRow[]; size: number; at: number }>(); // the oldest first
  let characters = 0;
  let waiting = 0;

  function drop(key: string): void {
    characters -= kept.get(key)?.size ?? 0;
    kept.delete(key);
  }

  function keep(key: string, rows: readonly SnapshotRow[]): void {
    const size = rows.reduce((sum, { document }) => sum + (document?.length ?? 0), 0);
    drop(key);
    kept.set(key, { rows, size, at: performance.now() });
    characters += size;
    for (const [oldest, page] of kept) {
      if (characters <= KEPT_SNAPSHOTS && isFresh(page)) break;
      drop(oldest);
    }
  }

  const isFresh = ({ at }: { at: number }) => performance.now() - at < KEPT_FOR;

  const reads = singleFlightByRequest(async (request: SnapshotRequest) => {
    const among = kept;
    waiting++;
    try {
      const rows = await read(request);
      if (among === kept) keep(JSON.stringify(request), rows);
      return rows;
    } finally {
      waiting--;
    }
  });

  return {
    get waiting() {
      return waiting;
    },
    async read(request: SnapshotRequest): Promise<readonly SnapshotRow[]> {
      const page = kept.get(JSON.stringify(request));
      return page && isFresh(page) ? page.rows : reads.ask(request);
    },
    forget(): void {
      kept = new Map();
      characters = 0;
      reads.forget();
    },
  };
}

// While writers write every snapshot would be of another position, and a crowd would share nothing. What follows the position
// comes as events in any case.
function createMoment(head: () => Promise<Head>, isCrowded: () => boolean) {
  let known: { last?: { head: Head; at: number } } = {};
  return {
    async take(): Promise<Head> {
      const { last } = known;
      if (last && isCrowded() && performance.now() - last.at < MOMENT) return last.head;
      const among = known;
      const taken = await head();
      among.last = { head: taken, at: performance.now() };
      return taken;
    },
    // A head that is being asked for is none of the log that it has become.
    forget(): void {
      known = {};
    },
  };
}

type Block = readonly FeedEvent[];

interface BlockRequest {
  log: string;
  start: number;
  goal: number;
}

const endOf = (block: Block, otherwise: number) => block.at(-1)?.position ?? otherwise;

// Blocks of the log, from a position to the next multiple of PAGE, or to where their events fill a page. A whole one never
// changes and is kept for a while; one that is being read is read once for all who wait for it.
function createBlocks(range: (log: string, after: number, through: number) => Promise<Block>) {
  let kept = new Map<string, Block>(); // the least recently used first
  let characters = 0;
  const reads = singleFlightByRequest(fetch);

  function keep(key: string, block: Block): void {
    if (kept.has(key)) return;
    kept.set(key, block);
    characters += sizeOf(block);
    for (const [oldest, old] of kept) {
      if (characters <= KEPT_CHARACTERS || old === block) break;
      kept.delete(oldest);
      characters -= sizeOf(old);
    }
  }

  async function fetch({ log, start, goal }: BlockRequest): Promise<Block> {
    const among = kept;
    const block = await range(log, start, endAfter(start));
    const end = endOf(block, start);
    const isWhole = end === endAfter(start) || (end > start && end < goal);
    if (isWhole && among === kept) keep(`${log} ${start}`, block);
    return block;
  }

  return {
    // What is being read goes to the callers that wait for it, and to none after them.
    forget(): void {
      kept = new Map();
      reads.forget();
      characters = 0;
    },
    async read(log: string, start: number, goal: number): Promise<Block> {
      const key = `${log} ${start}`;
      const known = kept.get(key);
      if (known) {
        kept.delete(key);
        kept.set(key, known);
        return known;
      }
      // Who wants less of the newest block may have asked before the rest was there.
      return reads.ask({ log, start, goal: Math.min(goal, endAfter(start)) });
    },
  };
}

const endAfter = (start: number) => start - (start % PAGE) + PAGE;

function sizeOf(block: Block): number {
  return block.reduce((sum, event) => sum + event.json.length, 0);
}
