// Gives each event of this instance's relay to the subscriptions that live off it, and keeps the newest for those
// that are a little behind. Subscribers are found by index: an event costs as much as it has matches, whatever the
// number of those who want other things.
import type { FeedEvent } from '../events.ts';
import { type Filter, indexKeyOf, type Key, valueFor } from './filter.ts';
import type { Head } from './log_reader.ts';

/** What the hub offers its events to, while it is live. */
export interface Subscriber {
  readonly filter: Filter;
  /** An event that leads to where the filter is filed; the same one may be offered twice. */
  offer(event: FeedEvent): void;
  /**
   * The log is in another epoch, or was cut off: it stands so now. `before` is where the hub stood: a listener that was
   * live had everything up to there.
   */
  restarted(head: Head, before: number): void;
}

export interface Hub {
  /** The epoch of the log that the positions are of. */
  readonly log: string;
  /** The last position published; the log may be further. */
  readonly position: number;
  publish(event: FeedEvent): void;
  /** The events after a position, if all of them are still kept here: from the ring, without asking the log. */
  after(position: number): readonly FeedEvent[] | undefined;
  join(listener: Subscriber): void;
  leave(listener: Subscriber): void;
  /** Starts over at a position of the log, which stands so now, telling every listener, live or not. */
  restart(head: Head, position: number): void;
  /** Every subscription there is, live or behind, is known here so that a restart reaches it. */
  readonly subscriptions: Set<Subscriber>;
}

/** Who else is told. */
interface HubWatchers {
  /** Each event, once every live listener has it. */
  published?: ((event: FeedEvent) => void) | undefined;
  /** What was read of the log is not to be trusted any more. Told before any listener. */
  restarted?: () => void;
}

/** A hub that starts at a position of a log, in an epoch: the first event it takes is the next one. */
export function createHub(logId: string, start: number, { published, restarted }: HubWatchers = {}): Hub {
  const live = createIndex();
  const subscriptions = new Set<Subscriber>();
  let log = logId;
  let position = start;
  let ring = createRing();

  return {
    subscriptions,
    get log() {
      return log;
    },
    get position() {
      return position;
    },
    publish(event) {
      if (event.position !== position + 1) {
        throw new RangeError(`event ${event.position} cannot follow ${position}`);
      }
      position = event.position;
      ring.keep(event);
      live.offer(event);
      published?.(event);
    },
    after: from => (from >= position ? [] : ring.newest(position - from)),
    join: live.add,
    leave: live.remove,
    restart(head, at) {
      const before = position;
      log = head.log;
      position = at;
      ring = createRing();
      restarted?.();
      for (const listener of [...subscriptions]) listener.restarted(head, before);
    },
  };
}

// The listeners that are filed under one value. Mostly it is one, which then stands there without a set around it: a look into ten
// thousand sets, each in another corner of the memory, is most of what an event costs.
type Filed = Subscriber | Set<Subscriber>;

// Listeners by key and value. A key stands only while a listener is filed under it, so that no event pays for the others.
function createIndex() {
  const keys = new Map<Key, Map<string, Filed>>();

  function offerAt(filed: Filed | undefined, event: FeedEvent): void {
    if (filed === undefined) return;
    if (!(filed instanceof Set)) filed.offer(event);
    else for (const listener of filed) listener.offer(event);
  }

  return {
    add(listener: Subscriber): void {
      const [key, values] = indexKeyOf(listener.filter);
      const filedBy = keys.get(key) ?? new Map<string, Filed>();
      keys.set(key, filedBy);
      for (const value of values) filedBy.set(value, joined(filedBy.get(value), listener));
    },
    remove(listener: Subscriber): void {
      const [key, values] = indexKeyOf(listener.filter);
      const filedBy = keys.get(key);
      for (const value of values) {
        const filed = filedBy?.get(value);
        if (filed instanceof Set) filed.delete(listener);
        if (filed === listener || (filed instanceof Set && filed.size === 0)) filedBy?.delete(value);
      }
      if (filedBy?.size === 0) keys.delete(key);
    },
    offer(event: FeedEvent): void {
      for (const [key, filedBy] of keys) {
        const value = valueFor(event, key);
        if (typeof value === 'string') offerAt(filedBy.get(value), event);
        else for (const each of value) offerAt(filedBy.get(each), event);
      }
    },
  };
}

function joined(filed: Filed | undefined, listener: Subscriber): Filed {
  if (filed === undefined || filed === listener) return listener;
  return filed instanceof Set ? filed.add(listener) : new Set([filed, listener]);
}

const RING_EVENTS = 4_096;
const RING_CHARACTERS = 8 * 1024 * 1024;

// The newest events, so many at most and so large.
function createRing() {
  let events: FeedEvent[] = [];
  let oldest = 0; // index in events: what lies before was dropped
  let characters = 0;

  return {
    keep(event: FeedEvent): void {
      events.push(event);
      characters += event.json.length;
      while (events.length - oldest > RING_EVENTS || characters > RING_CHARACTERS) {
        characters -= events[oldest]?.json.length ?? 0;
        oldest++;
      }
      if (oldest * 2 > events.length) {
        events = events.slice(oldest);
        oldest = 0;
      }
    },
    newest(count: number): readonly FeedEvent[] | undefined {
      return count > events.length - oldest ? undefined : events.slice(events.length - count);
    },
  };
}
