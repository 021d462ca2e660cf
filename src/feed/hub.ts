// Gives each event of this instance's relay to the subscriptions that live off it, and keeps the newest for those
// that are a little behind. An event costs as much as its topic has live subscriptions.
import type { FeedEvent } from '../events.ts';

/** What the hub offers its events to, while it is live. */
export interface Listener {
  /** The topic wanted, or undefined for every one. */
  readonly topic: string | undefined;
  offer(event: FeedEvent): void;
  /** The log is this one now: positions held in another mean nothing in it. */
  restarted(log: string): void;
}

export interface Hub {
  /** The log that the positions are of. */
  readonly log: string;
  /** The last position published; the log may be further. */
  readonly position: number;
  publish(event: FeedEvent): void;
  /** The events after a position, if all of them are still kept here: from the ring, without asking the log. */
  after(position: number): readonly FeedEvent[] | undefined;
  join(listener: Listener): void;
  leave(listener: Listener): void;
  /** Starts over at a position of a log, telling every listener, live or not. */
  restart(log: string, position: number): void;
  /** Every subscription there is, live or behind, is known here so that a restart reaches it. */
  readonly subscriptions: Set<Listener>;
}

const RING_EVENTS = 4_096;
const RING_CHARACTERS = 16 * 1024 * 1024;

/**
 * A hub that starts at a position of a log: the first event it takes is the next one. `published` is told of each
 * event once every live listener has it.
 */
export function createHub(logId: string, start: number, published?: (event: FeedEvent) => void): Hub {
  const live = new Map<string | undefined, Set<Listener>>();
  const subscriptions = new Set<Listener>();
  let log = logId;
  let position = start;
  let ring: FeedEvent[] = [];
  let oldest = 0; // index in ring: what lies before was dropped
  let characters = 0;

  function keep(event: FeedEvent): void {
    ring.push(event);
    characters += event.json.length;
    while (ring.length - oldest > RING_EVENTS || characters > RING_CHARACTERS) {
      characters -= ring[oldest]?.json.length ?? 0;
      oldest++;
    }
    if (oldest * 2 > ring.length) {
      ring = ring.slice(oldest);
      oldest = 0;
    }
  }

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
      keep(event);
      for (const listener of live.get(event.topic) ?? []) listener.offer(event);
      for (const listener of live.get(undefined) ?? []) listener.offer(event);
      published?.(event);
    },
    after(from) {
      const kept = ring.length - oldest;
      if (from >= position) return [];
      if (from < position - kept) return undefined;
      return ring.slice(ring.length - (position - from));
    },
    join(listener) {
      const set = live.get(listener.topic) ?? new Set();
      live.set(listener.topic, set.add(listener));
    },
    leave(listener) {
      live.get(listener.topic)?.delete(listener);
    },
    restart(now, at) {
      log = now;
      position = at;
      ring = [];
      oldest = 0;
      characters = 0;
      for (const listener of [...subscriptions]) listener.restarted(log);
    },
  };
}
