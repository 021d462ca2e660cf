// The one socket that everything hears of, and how far it has come.
import type { Environment } from './environment.ts';
import { createLink } from './link.ts';
import { queryOf } from './rest.ts';
import type { Frame, OtherEvent, State } from './types.ts';

/** Hears the events of a topic, or of all. */
export interface Listener {
  topic: string | undefined;
  /** Every event after this position comes here; unknown until the socket says where it begins. */
  from?: number | undefined;
  event(event: OtherEvent): void;
  /** The position, or the state, has changed. */
  moved(): void;
  /** The position cannot be resumed from: what is known has to be read anew. */
  reset(reason: string): void;
}

/** The socket, and its place in the log. */
export interface Feed {
  readonly state: State;
  readonly position: number | undefined;
  readonly log: string | undefined;
  add(listener: Listener): void;
  remove(listener: Listener): void;
  /** Begins after a position of a log, unless it has begun already. Without one: with what is new. */
  begin(position?: number, log?: string): void;
  /** Whether the events of a topic come, or will. */
  follows(topic: string): boolean;
  close(): void;
}

/** What hears of everything, when the listeners have. */
interface FeedOptions {
  event(event: OtherEvent): void;
  /** A frame that says where the socket stands. */
  told(): unknown;
  changed(): void;
}

/** A feed that is not open yet. */
export function createFeed(env: Environment, options: FeedOptions): Feed {
  const listeners = new Set<Listener>();
  let position: number | undefined;
  let log: string | undefined;
  let covered: ReadonlySet<string | undefined> = new Set();
  let isDense = false; // every position comes: everything is asked for, and the token may be told of it

  const link = createLink(env, path, hear, () => {
    options.changed();
    tellMoved();
  });

  function path(): string {
    const topic = isCovered() ? [] : [...covered];
    return `/ws/events${queryOf({ topic, ...(position !== undefined && { after: position, log }) })}`;
  }

  // Without a topic: whether everything is.
  const isCovered = (topic?: string) => covered.has(undefined) || covered.has(topic);

  function hear(frame: Frame): void {
    const at = frame.position as number;
    if (frame.specversion) {
      const last = position as number;
      if (isDense && at !== last + 1) {
        env.report(new Error(`position ${at} after ${last}`));
        return void link.again(true); // the log has what is missing, for the next attempt
      }
      if (at <= last) return;
      position = at;
      for (const each of listeners) if (hears(each, frame)) each.event(frame as OtherEvent);
      options.event(frame as OtherEvent);
      tellMoved();
      return;
    }
    if (frame.type === 'reset') return void reset(frame.reason as string);
    if (frame.type === 'ready') {
      isDense = isCovered() && !frame.topics;
      position ??= frame.head;
      place();
    }
    // One that hears everything knows its position from the events: what lies between is never passed over.
    if (frame.type === 'position' && position !== undefined && !isDense) position = Math.max(position, at);
    log = frame.log;
    if (frame.type === 'position') options.told();
    tellMoved();
  }

  const hears = ({ topic, from }: Listener, { source }: Frame) =>
    from !== undefined && (topic === undefined || source === `/${topic}`);

  // What comes from here on comes to everybody who is covered.
  function place(): void {
    for (const each of listeners) each.from ??= position;
  }

  function reset(reason: string): void {
    close();
    for (const each of listeners) {
      each.from = undefined;
      each.reset(reason);
    }
  }

  function tellMoved(): void {
    for (const each of listeners) each.moved();
  }

  function open(): void {
    covered = new Set([...listeners].map(({ topic }) => topic));
    place();
  }

  return {
    get state() {
      return link.state;
    },
    get position() {
      return position;
    },
    get log() {
      return log;
    },
    follows: topic => [...listeners].some(each => (each.topic ?? topic) === topic),
    add(listener) {
      listeners.add(listener);
      if (link.state === 'idle') return;
      // Those that come in one go cost one new socket.
      if (!isCovered(listener.topic))
        queueMicrotask(() => {
          if (!listeners.has(listener) || isCovered(listener.topic)) return;
          open();
          link.again();
        });
      else listener.from = position;
    },
    remove(listener) {
      listeners.delete(listener);
      if (listeners.size === 0) close();
    },
    begin(at, of) {
      if (link.state !== 'idle' && link.state !== 'denied') return;
      position ??= at;
      log ??= of;
      open();
      link.open();
    },
    close,
  };

  function close(): void {
    position = log = undefined;
    link.close();
  }
}
