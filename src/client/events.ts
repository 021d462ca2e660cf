// Events one after the other: out of the log in pages up to where the socket is, and from there as they come.
import type { Feed, Listener } from './feed.ts';
import { meets } from './order.ts';
import { type Ask, Problem, queryOf } from './rest.ts';
import type { OtherEvent } from './types.ts';

const MOST = 1_000; // that wait for a slow reader; the log has the rest
const RETRY = 1_000; // ms

/** Which events. */
export interface EventQuery {
  topic?: string | undefined;
  /** The position after which to begin; without it with what is new. */
  after?: number | undefined;
  /** The log that `after` is of, as the client's `log` was. */
  log?: string | undefined;
  type?: string | readonly string[] | undefined;
  subject?: string | readonly string[] | undefined;
  signal?: AbortSignal | undefined;
}

/** Every event that is wanted, in order, once, until the signal aborts. Throws a Problem (410) for what is not kept. */
export async function* iterateEvents(
  feed: Feed,
  ask: Ask,
  query: EventQuery,
): AsyncGenerator<OtherEvent, void, undefined> {
  const { topic, type, subject, signal } = query;
  let position = query.after;
  let log = query.log;
  let mustRead = position !== undefined; // also where it lies beyond the head: the service says so
  let joined: number | undefined; // what comes after here waits
  const waiting: OtherEvent[] = [];
  let isFull = false;
  let failure: Error | undefined;
  let wake = () => {};
  const listener: Listener = {
    topic,
    event(event) {
      if (!meets({ type, subject }, event)) return;
      isFull ||= waiting.length >= MOST;
      if (!isFull) waiting.push(event);
      wake();
    },
    moved() {
      if (feed.state === 'denied') failure = new Problem(401);
      wake();
    },
    reset(reason) {
      failure = new Problem(410, { reason });
      wake();
    },
  };
  const abort = () => wake();
  signal?.addEventListener('abort', abort);
  feed.add(listener);
  feed.begin();
  try {
    while (!signal?.aborted) {
      if (failure) throw failure;
      joined ??= listener.from;
      position ??= joined;
      if (joined !== undefined && position !== undefined && (mustRead || position < joined)) {
        const page: Page = await read(position);
        for (const event of page.data) {
          if (signal?.aborted) return;
          yield event;
        }
        position = page.next_after;
        continue;
      }
      const event = waiting.shift();
      if (event && event.position <= (position as number)) continue;
      if (event) {
        position = event.position;
        yield event;
      } else if (isFull) {
        isFull = false;
        joined = feed.position;
      } else
        await new Promise<void>(resolve => {
          wake = resolve;
        });
    }
  } finally {
    signal?.removeEventListener('abort', abort);
    feed.remove(listener);
  }

  async function read(after: number): Promise<Page> {
    const asked = queryOf({ after, limit: 1000, topic, type, subject, log });
    const nothing = { data: [], next_after: after };
    try {
      const page = await ask<Page>(`/events${asked}`);
      mustRead = false;
      log = feed.log;
      if (page.next_after === after && after < (joined as number)) await pause(0);
      return page;
    } catch (error) {
      const { wait } = error as Problem;
      if (wait === undefined) throw error;
      await pause(wait);
      return nothing;
    }
  }
}

const pause = (ms: number) => new Promise(resolve => void setTimeout(resolve, ms || RETRY));

interface Page {
  data: OtherEvent[];
  next_after: number;
}
