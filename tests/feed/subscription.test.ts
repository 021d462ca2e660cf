// A subscription while the hub, the log and what it was told of them are not of the same moment.
import test from 'ava';
import { type FeedEvent, toEvent } from '../../src/events.ts';
import { EVERYTHING, type Filter } from '../../src/feed/filter.ts';
import { createHub, type Hub } from '../../src/feed/hub.ts';
import type { Head, Log, LogPageRequest } from '../../src/feed/log_reader.ts';
import { subscribe } from '../../src/feed/subscription.ts';
import { LOG_ID, logRow, logRows } from '../helpers/rows.ts';
import { until } from '../helpers/until.ts';

const NEXT_LOG = '00000000-0000-7000-8000-000000000001';
const THIRD_LOG = '00000000-0000-7000-8000-000000000002';

// A log that holds every event up to its head.
function createLog(now: Head): Log & { now: Head } {
  const log = {
    now,
    head: async () => log.now,
    page: async ({ after, goal }: LogPageRequest) => {
      const through = Math.min(goal, log.now.head);
      if (through <= after) throw new Error(`the log does not show its position ${goal}`);
      return { from: after, through, events: logRows(after, through).map(toEvent) };
    },
    moment: () => Promise.reject(new Error('nobody asks')),
    compacted: () => Promise.reject(new Error('nobody asks')),
    topics: async () => [],
    snapshot: async () => [],
    forget: () => {},
  };
  return log;
}

function follow({
  hub,
  log,
  head,
  after,
  filter = EVERYTHING,
}: {
  hub: Hub;
  log: Log;
  head: Head;
  after: number;
  filter?: Filter;
}) {
  const seen: number[] = [];
  const ends: string[] = [];
  const caughtUp = Promise.withResolvers<void>();
  const outlet = {
    room: true,
    write: (event: FeedEvent) => {
      seen.push(event.position);
      return outlet.room;
    },
    caughtUp: caughtUp.resolve,
    ended: (reason: string) => void ends.push(reason),
  };
  const subscription = subscribe({ hub, log, head, after, filter, outlet });
  return { subscription, seen, ends, outlet, caughtUp: caughtUp.promise };
}

const publish = (hub: Hub, position: number, given = {}) => hub.publish(toEvent(logRow(position, given)));
const mine: Filter = { ...EVERYTHING, subjects: new Set(['mine']) };

test('an event that is wanted for two reasons comes once', async t => {
  const hub = createHub(LOG_ID, 0);
  const head = { log: LOG_ID, head: 0, first: 1 };
  const fields = new Map([['labels', new Set(['a', 'b'])]]);
  const { seen, caughtUp } = follow({
    hub,
    log: createLog(head),
    head,
    after: 0,
    filter: { ...EVERYTHING, fields },
  });
  await caughtUp;
  publish(hub, 1, { data: '{"labels":["b","a"]}' });
  t.deepEqual(seen, [1]);
});

test('what the log has shown already is not given again when the hub hears of it', async t => {
  const hub = createHub(LOG_ID, 0);
  const head = { log: LOG_ID, head: 5, first: 1 };
  const { seen, caughtUp } = follow({ hub, log: createLog(head), head, after: 2 });
  await caughtUp;
  for (let position = 1; position <= 7; position++) publish(hub, position);
  t.deepEqual(seen, [3, 4, 5, 6, 7]);
});

test('who was told a position that the log has gone back behind is reset, also if nothing came to him until there', async t => {
  const hub = createHub(LOG_ID, 0);
  const head = { log: LOG_ID, head: 0, first: 1 };
  const { subscription, ends, caughtUp } = follow({
    hub,
    log: createLog(head),
    head,
    after: 0,
    filter: mine,
  });
  await caughtUp;
  for (let position = 1; position <= 100; position++) publish(hub, position);
  t.is(subscription.position, 100);
  hub.restart({ log: LOG_ID, head: 80, first: 1 }, 80);
  t.deepEqual(ends, ['ahead']);
  t.is(hub.subscriptions.size, 0);
});

test('who had not come as far as the log goes back goes on from where he was', async t => {
  const hub = createHub(LOG_ID, 100);
  const head = { log: LOG_ID, head: 100, first: 1 };
  const log = createLog(head);
  const { seen, ends, outlet, subscription } = follow({ hub, log, head, after: 70 });
  outlet.room = false;
  await until(() => seen.length > 0);
  log.now = { ...head, head: 80 };
  hub.restart({ log: LOG_ID, head: 80, first: 1 }, 80);
  outlet.room = true;
  subscription.resume();
  await until(() => subscription.position === 80);
  publish(hub, 81);
  t.deepEqual(
    seen,
    logRows(70, 81).map(({ position }) => position),
  );
  t.deepEqual(ends, []);
});

test('a page that was asked for before the log went back is not given', async t => {
  const hub = createHub(LOG_ID, 100);
  const head = { log: LOG_ID, head: 100, first: 1 };
  const log = createLog(head);
  const pages: PromiseWithResolvers<void>[] = [];
  const page = async (request: LogPageRequest) => {
    const events = logRows(request.after, request.goal, { subject: pages.length === 0 ? 'before' : 'after' });
    pages.push(Promise.withResolvers<void>());
    await pages.at(-1)?.promise;
    return { from: request.after, through: request.goal, events: events.map(toEvent) };
  };
  const subjects = new Set<string>();
  const outlet = { write: ({ subject }: FeedEvent) => !!subjects.add(subject), ended: () => {} };
  const subscription = subscribe({ hub, log: { ...log, page }, head, after: 70, filter: EVERYTHING, outlet });
  hub.restart({ log: LOG_ID, head: 80, first: 1 }, 80);
  pages[0]?.resolve();
  await until(() => pages.length === 2);
  pages[1]?.resolve();
  await until(() => subscription.position === 80);
  t.deepEqual(subjects, new Set(['after']));
});

test('who comes with a log that this instance has yet to hear of waits for it, and misses nothing', async t => {
  const hub = createHub(LOG_ID, 4);
  const head = { log: NEXT_LOG, head: 6, first: 1 };
  const { seen, ends, caughtUp } = follow({ hub, log: createLog(head), head, after: 5 });
  publish(hub, 5);
  await new Promise(resolve => setImmediate(resolve));
  t.deepEqual([seen, ends], [[], []]);
  hub.restart({ log: NEXT_LOG, head: 3, first: 1 }, 3);
  await caughtUp;
  for (let position = 4; position <= 8; position++) publish(hub, position);
  t.deepEqual(seen, [6, 7, 8]);
  t.deepEqual(ends, []);
});

test('a restart to a log from in between leaves who waits for the present one waiting', async t => {
  const hub = createHub(LOG_ID, 4);
  const head = { log: THIRD_LOG, head: 6, first: 1 };
  const { seen, ends, caughtUp } = follow({ hub, log: createLog(head), head, after: 5 });
  hub.restart({ log: NEXT_LOG, head: 5, first: 1 }, 5);
  await new Promise(resolve => setImmediate(resolve));
  t.deepEqual(ends, []);
  hub.restart({ log: THIRD_LOG, head: 6, first: 1 }, 6);
  await caughtUp;
  t.deepEqual([seen, ends], [[6], []]);
});

test('who comes with a log that is gone by now is reset, whether the instance heard of the next one before or after', async t => {
  const gone = { log: LOG_ID, head: 6, first: 1 };
  for (const heard of [NEXT_LOG, LOG_ID]) {
    const hub = createHub(heard, 6);
    const log = createLog({ log: NEXT_LOG, head: 6, first: 1 });
    const { seen, ends } = follow({ hub, log, head: gone, after: 6 });
    if (heard === LOG_ID) hub.restart({ log: NEXT_LOG, head: 6, first: 1 }, 6);
    await until(() => ends.length > 0);
    t.deepEqual([seen, ends], [[], ['other_log']]);
  }
});
