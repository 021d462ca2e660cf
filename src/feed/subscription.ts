// A subscriber is a position and a filter. Live, it is offered events by the hub; behind, because it began there or
// because its outlet was full, it reads on by itself, from the ring or from the log: the log is the buffer.
import { type FeedEvent, type LogRow, toEvent } from '../events.ts';
import type { Hub, Listener } from './hub.ts';

/** Why a position cannot be resumed from. */
export type ResetReason = 'retention' | 'ahead' | 'other_log';

/** Where the events of a subscription go. */
export interface Outlet {
  /** Takes an event. False: full for now, call resume() of the subscription when it has drained. */
  write(event: FeedEvent): boolean;
  /** The subscription has ended: the log became another one, or what comes next is no longer kept. */
  ended(reason: ResetReason): void;
}

/** The log as subscriptions read it. */
export interface Log {
  head(): Promise<{ log: string; head: number; first: number }>;
  after(position: number, limit: number): Promise<readonly LogRow[]>;
}

export interface Subscription {
  /** Everything up to here was given to the outlet or did not match: a client may resume from it. */
  readonly position: number;
  /** Goes on after the outlet was full. */
  resume(): void;
  close(): void;
}

const PAGE = 500;
const RETRY = 500; // ms

/** Whether `after`, given with the id of the log it is from, can be resumed from; judged against the log itself. */
export function judge(
  head: { log: string; head: number; first: number },
  wanted: { after: number | undefined; log: string | undefined },
): ResetReason | undefined {
  if (wanted.log !== undefined && wanted.log !== head.log) return 'other_log';
  if (wanted.after === undefined) return undefined;
  if (wanted.after > head.head) return 'ahead';
  if (wanted.after < head.first - 1) return 'retention';
  return undefined;
}

/** Subscribes to what comes after a position. Every matching event reaches the outlet exactly once, in order. */
export function subscribe(options: {
  hub: Hub;
  log: Log;
  /** The log that `after` is a position of. */
  logId: string;
  after: number;
  topic: string | undefined;
  outlet: Outlet;
}): Subscription {
  const { hub, log, logId, topic, outlet } = options;
  let cursor = options.after;
  let retry: NodeJS.Timeout | undefined;
  let state: 'live' | 'behind' | 'reading' | 'closed' = 'behind';

  // The cursor moves before the outlet is asked, for the event is then the outlet's, full or not.
  function give(event: FeedEvent): boolean {
    cursor = event.position;
    return (topic !== undefined && event.topic !== topic) || outlet.write(event);
  }

  const listener: Listener = {
    topic,
    offer(event) {
      if (event.position <= cursor || give(event)) return;
      hub.leave(listener);
      state = 'behind';
    },
    restarted(now) {
      if (now !== logId) return end('other_log');
      if (cursor > hub.position) return end('ahead'); // the log went back: what comes now was never seen
      if (state !== 'live') return;
      hub.leave(listener);
      state = 'behind';
      resume();
    },
  };

  async function readOn(): Promise<void> {
    state = 'reading';
    while (cursor < hub.position) {
      const events = hub.after(cursor) ?? (await log.after(cursor, PAGE)).map(toEvent);
      if (isClosed()) return;
      if (events[0]?.position !== cursor + 1) return end('retention'); // the log is dense: it was cut off
      for (const event of events) {
        if (give(event)) continue;
        state = 'behind';
        return;
      }
    }
    state = 'live';
    hub.join(listener);
  }

  // A function, because the compiler takes `state` to be what this task set it to.
  const isClosed = () => state === 'closed';

  // While the log cannot be read the subscription waits: it has lost nothing.
  function resume(): void {
    if (state !== 'behind') return;
    readOn().catch(() => {
      if (isClosed()) return;
      state = 'behind';
      retry = setTimeout(resume, RETRY);
    });
  }

  function end(reason: ResetReason): void {
    close();
    outlet.ended(reason);
  }

  function close(): void {
    state = 'closed';
    clearTimeout(retry);
    hub.leave(listener);
    hub.subscriptions.delete(listener);
  }

  hub.subscriptions.add(listener);
  // The log has changed, and this instance has not noticed: its hub has other events under the same positions.
  if (hub.log !== logId) queueMicrotask(() => isClosed() || end('other_log'));
  else resume();
  return {
    get position() {
      return state === 'live' ? Math.max(cursor, hub.position) : cursor;
    },
    resume,
    close,
  };
}
