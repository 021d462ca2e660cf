// Where the relay of an instance learns of what is new: PostgreSQL's NOTIFY (relay/listener.ts), or the stream on NATS that
// the events themselves are in (nats/stream_source.ts). Whatever a source tells is a hint, but for the order of positions and
// the epoch that an event is told with: lost, doubled or late, it changes only latency.
import type { FeedEvent } from '../events.ts';
import type { Service } from '../lifecycle.ts';

/** What a source tells the relay. */
export interface Told {
  /** There may be events up to this position. */
  heard(last: number): void;
  /** An event, of this epoch of the log. */
  offered(log: string, event: FeedEvent): void;
  /** Something may have been missed: the log itself has to be looked at. */
  missed(): void;
}

/** It tells from start() to stop(). */
export interface Source extends Service {
  /** Why events do not arrive here, in a sentence; undefined while they do. */
  readonly obstacle: string | undefined;
  /** What makes events late here and nothing worse, in sentences. */
  readonly warnings: readonly string[];
}
