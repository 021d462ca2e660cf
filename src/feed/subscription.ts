// A subscriber is a position and a filter. Live, it is offered events by the hub; behind, because it began there or
// because its outlet was full, it reads on by itself, from the ring or from the log. So backpressure costs no memory: the log is the buffer.
import { ArchiveDamaged } from '../errors.ts';
import type { FeedEvent } from '../events.ts';
import { type Filter, isKeyOfAll, matches } from './filter.ts';
import type { Hub, Subscriber } from './hub.ts';
import type { Head, Log, LogPage } from './log_reader.ts';

/** Why a position cannot be resumed from. */
export type ResetReason = 'retention' | 'ahead' | 'other_log';

/** The reasons in words. */
export const RESETS: Readonly<Record<ResetReason, string>> = {
  retention: 'what follows that position is no longer kept',
  ahead: 'that position lies beyond the head of the log',
  other_log: 'the log has become another one, and does not hold what comes before that position',
};

/** Where the events of a subscription go. */
interface Outlet {
  /** Takes an event. False: full for now, call resume() of the subscription when it has drained. */
  write(event: FeedEvent): boolean;
  /** Everything there was has been given; what comes now is new. Said each time it has caught up. */
  caughtUp?(): void;
  /** The log is in this epoch from now on: it is told beside positions. Nothing was lost. */
  epochBegan?(log: string): void;
  /** The subscription has ended: the log became another one, or what comes next is no longer kept, or damaged: then why. */
  ended(reason: ResetReason, why?: string): void;
}

export interface Subscription {
  /** Everything up to here was given to the outlet or did not match: a client may resume from it. */
  readonly position: number;
  /** The epoch of the log that this position is told with. */
  readonly log: string;
  /** Goes on after the outlet was full. */
  resume(): void;
  close(): void;
}

const RETRY = 500; // ms

/**
 * Whether `after`, given with the epoch that it was told in, can be resumed from; judged against the log itself. An
 * earlier epoch is as good as the present one up to the last position that it has here: what a client has seen beyond
 * that, this log has lost.
 */
export function canResume(
  head: Head,
  wanted: { after: number | undefined; log: string | undefined },
): ResetReason | undefined {
  const { after = 0, log = head.log } = wanted;
  const end = log === head.log ? Infinity : head.ends?.get(log);
  if (end === undefined || after > end) return 'other_log';
  if (wanted.after === undefined) return undefined;
  if (wanted.after > head.head) return 'ahead';
  if (wanted.after < head.first - 1) return 'retention';
  return undefined;
}

/** Subscribes to what comes after a position. Every matching event reaches the outlet exactly once, in order. */
export function subscribe(options: {
  hub: Hub;
  log: Log;
  /** Where the log was seen to stand; the hub may have to hear of it yet. */
  head: Head;
  /** A position of that log. */
  after: number;
  filter: Filter;
  outlet: Outlet;
}): Subscription {
  const { hub, log, filter, outlet } = options;
  const isSure = isKeyOfAll(filter); // of what the hub offers
  let cursor = options.after;
  let epoch = options.head.log;
  let known = options.head.head; // there is this much to read, whatever the hub has heard
  let restarts = 0;
  let retry: NodeJS.Timeout | undefined;
  let isHere = hub.log === epoch; // or this instance has yet to hear of this epoch
  let state: 'live' | 'behind' | 'reading' | 'closed' = 'behind';

  // The cursor moves before the outlet is asked, for the event is then the outlet's, full or not.
  function give(event: FeedEvent, isWanted: boolean): boolean {
    cursor = event.position;
    return !isWanted || outlet.write(event);
  }

  const listener: Subscriber = {
    filter,
    offer(event) {
      if (event.position <= cursor) return;
      cursor = event.position;
      if (!(isSure || matches(filter, event)) || outlet.write(event)) return;
      hub.leave(listener);
      state = 'behind';
    },
    restarted(head, before) {
      restarts++;
      if (!isHere) {
        isHere = head.log === epoch;
        return resume(); // where it begins was judged by the log itself
      }
      if (state === 'live') {
        cursor = Math.max(cursor, before);
        hub.leave(listener);
        state = 'behind';
      }
      if (goOn(head)) resume();
    },
  };

  async function readOn(): Promise<void> {
    state = 'reading';
    if (!isHere) return judgeAgain();
    for (let goal = reach(); cursor < goal; goal = reach()) {
      const before = restarts;
      const page = fromRing() ?? (await log.page({ log: epoch, after: cursor, goal, filter }));
      if (isClosed()) return;
      if (restarts !== before) continue; // it may tell of what is there no more
      if (page.from > cursor) return end('retention');
      if (!page.events.every(event => event.position <= cursor || give(event, matches(filter, event)))) {
        state = 'behind';
        return;
      }
      cursor = page.through;
    }
    state = 'live';
    hub.join(listener);
    outlet.caughtUp?.();
  }

  // The hub is in another epoch: either it has yet to hear of this one, and will restart, or this one is over already.
  async function judgeAgain(): Promise<void> {
    const head = await log.head();
    if (isClosed()) return;
    state = 'behind';
    if (goOn(head) && isHere) resume();
  }

  // In the log as it stands now; false if it has lost what was seen, and the subscription has ended.
  function goOn(head: Head): boolean {
    const reason = canResume(head, { after: cursor, log: epoch });
    if (reason) {
      end(reason);
      return false;
    }
    known = head.head;
    isHere = hub.log === head.log;
    if (head.log !== epoch) {
      epoch = head.log;
      outlet.epochBegan?.(epoch);
    }
    return true;
  }

  const reach = () => Math.max(known, hub.position);
  // A function, because the compiler takes `state` to be what this task set it to.
  const isClosed = () => state === 'closed';

  function fromRing(): LogPage | undefined {
    const events = cursor < hub.position ? hub.after(cursor) : undefined;
    return events && { from: cursor, through: hub.position, events };
  }

  // While the log cannot be read the subscription waits: it has lost nothing. The reader of the log says why.
  function resume(): void {
    if (state !== 'behind') return;
    clearTimeout(retry);
    readOn().catch((error: unknown) => {
      if (isClosed()) return;
      if (error instanceof ArchiveDamaged) return end('retention', error.message);
      state = 'behind';
      retry = setTimeout(resume, RETRY);
    });
  }

  function end(reason: ResetReason, why?: string): void {
    close();
    outlet.ended(reason, why);
  }

  function close(): void {
    state = 'closed';
    clearTimeout(retry);
    hub.leave(listener);
    hub.subscriptions.delete(listener);
  }

  hub.subscriptions.add(listener);
  resume();
  return {
    get log() {
      return epoch;
    },
    get position() {
      return state === 'live' ? Math.max(cursor, hub.position) : cursor;
    },
    resume,
    close,
  };
}
