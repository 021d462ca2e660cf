// Reads the log on, from the last position it has, and hands what it reads to the hub: one per instance. What it is
// told of, by NOTIFY or by this instance's own sequencer, is a hint: lost, doubled or late, it changes only latency.
import { type Batch, type FeedEvent, type LogRow, toEvent } from '../events.ts';
import type { Hub } from '../feed/hub.ts';
import type { Head } from '../feed/log_reader.ts';
import { canResume } from '../feed/subscription.ts';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { createOutage } from '../outage.ts';

export interface Relay extends Service {
  /** Whether it reads the log, or would if there was something: false while reading fails, and before and after its life. */
  readonly reading: boolean;
  /** There may be events up to this position. */
  hear(last: number): void;
  /** Takes a batch straight from the sequencer; what does not follow on is read from the log. */
  take(batch: Batch): void;
  /** Takes an event of this epoch of the log; what does not follow on waits for what is read from the log. */
  offer(log: string, event: FeedEvent): void;
  /** Something may have been missed: looks at the log itself, also whether it is still the same one. */
  catchUp(): void;
}

const PAGE = 1_000;
const RETRY = 500; // ms
// What was offered and waits for what comes before it. More is read from the log.
const WAITING_EVENTS = 4_096;
const WAITING_CHARACTERS = 8 * 1024 * 1024;

/** What the relay asks of the log. It stands in no line: every subscriber waits for it. */
interface RelayQueries {
  head(): Promise<Head>;
  /** The events in (after, through], in order, or so many of them as fill a page; none if the log is in another epoch. */
  range(log: string, after: number, through: number): Promise<readonly LogRow[]>;
}

/** The relay of this instance. The hub stands at the head of the log. */
export function createRelay(options: { log: RelayQueries; hub: Hub; logger: Logger }): Relay {
  const { log, hub, logger } = options;
  const outage = createOutage(logger, {
    begun: 'the relay cannot read the log, and tries again',
    ended: 'the relay reads the log again',
  });
  let target = hub.position;
  let hints = 0;
  // How often the head was to be asked for, and up to which of these it was: in between nothing is certain.
  let doubts = 0;
  let settled = 0;
  let reading: Promise<void> | undefined;
  let started = false;
  let stopped = false;
  let retry: NodeJS.Timeout | undefined;
  const waiting = createWaiting();

  function readOn(): void {
    if (stopped) return;
    reading ??= read()
      .then(outage.end, later)
      .finally(() => {
        reading = undefined;
        if (!outage.ongoing && (isUnsure() || target > hub.position)) readOn();
      });
  }

  const isUnsure = () => doubts > settled;

  async function read(): Promise<void> {
    if (isUnsure()) await lookAtHead();
    while (target > hub.position && !stopped) {
      if (publishWaiting()) continue;
      const from = hub.position; // what is offered or taken may move it on meanwhile
      const page = await log.range(hub.log, from, Math.min(target, from + PAGE));
      // The log is dense. Nothing there: the NOTIFY was made up, what comes next was cut off, or it is another epoch.
      if (page[0]?.position !== from + 1) await lookAtHead();
      else for (const row of page) if (row.position > hub.position) publish(row);
    }
    publishWaiting();
  }

  // While the epoch is in doubt nothing is published but what is read from the log, which tells its epoch with each page.
  function publishWaiting(): boolean {
    const from = hub.position;
    while (!isUnsure()) {
      const event = waiting.take(hub.position + 1);
      if (!event) break;
      hub.publish(event);
    }
    return hub.position > from;
  }

  function publish(row: LogRow): void {
    const event = toEvent(row);
    if (event.isWithheld)
      logger.error(
        { position: event.position, topic: event.topic, subject: event.subject },
        'an event is larger than any reader could take, and is told without its data',
      );
    hub.publish(event);
  }

  async function lookAtHead(): Promise<void> {
    if (!isUnsure()) doubts++; // whatever the reason is: nothing is published beyond what is known now
    const [heard, asked] = [hints, doubts];
    const known = hub.position; // what was known before asking cannot lie beyond the answer
    const head = await log.head();
    settled = asked;
    const reason = canResume(head, { after: known, log: hub.log });
    if (reason || head.log !== hub.log) waiting.forget();
    if (reason === 'retention') {
      logger.warn({ first: head.first }, 'the log was cut off beyond where the relay stood');
      hub.restart(head, head.first - 1);
    } else if (reason) {
      logger.warn(
        { log: head.log, head: head.head },
        'the log has become another one; clients who have seen what it lost are reset',
      );
      hub.restart(head, head.head);
    } else if (head.log !== hub.log) hub.restart(head, hub.position); // PostgreSQL was started anew, and nothing lost
    target = heard === hints ? head.head : Math.max(target, head.head);
  }

  function catchUp(): void {
    doubts++;
    readOn();
  }

  function later(error: unknown): void {
    if (!stopped) outage.begin(error);
    clearTimeout(retry);
    retry = setTimeout(readOn, RETRY);
  }

  return {
    name: 'relay',
    get reading() {
      return started && !outage.ongoing && !stopped;
    },
    hear(last) {
      hints++;
      target = Math.max(target, last);
      if (target > hub.position) readOn();
    },
    take({ rows, last }) {
      hints++;
      target = Math.max(target, last);
      // Of which epoch it is is not known before the head: it is read from the log then.
      if (!isUnsure()) for (const row of rows) if (row.position === hub.position + 1) publish(row);
      if (target > hub.position) readOn();
    },
    offer(epoch, event) {
      if (epoch !== hub.log) return catchUp();
      hints++;
      target = Math.max(target, event.position);
      waiting.keep(event, hub.position);
      publishWaiting();
      if (target > hub.position) readOn();
    },
    catchUp,
    async start() {
      started = true;
      catchUp();
    },
    async stop() {
      stopped = true;
      clearTimeout(retry);
      await reading;
    },
  };
}

// Events that were offered, in ascending order, and cannot follow yet.
function createWaiting() {
  let events = new Map<number, FeedEvent>();
  let characters = 0;

  function drop(position: number): FeedEvent | undefined {
    const event = events.get(position);
    if (event && events.delete(position)) characters -= event.json.length;
    return event;
  }

  return {
    keep(event: FeedEvent, position: number): void {
      for (const oldest of events.keys()) {
        if (oldest > position) break;
        drop(oldest);
      }
      const isRoom = events.size < WAITING_EVENTS && characters < WAITING_CHARACTERS;
      if (event.position <= position || !isRoom || events.has(event.position)) return;
      events.set(event.position, event);
      characters += event.json.length;
    },
    take: drop,
    forget(): void {
      events = new Map();
      characters = 0;
    },
  };
}
