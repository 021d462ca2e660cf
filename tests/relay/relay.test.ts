// The relay publishes nothing while it does not know in which epoch the log is, and takes over what is the same.
import test from 'ava';
import { type FeedEvent, toEvent } from '../../src/events.ts';
import { EVERYTHING } from '../../src/feed/filter.ts';
import { createHub } from '../../src/feed/hub.ts';
import type { Head } from '../../src/feed/log_reader.ts';
import { createLogger } from '../../src/logger.ts';
import { createRelay } from '../../src/relay/relay.ts';
import { LOG_ID, logRow, logRows } from '../helpers/rows.ts';
import { until } from '../helpers/until.ts';

const NEXT = '00000000-0000-7000-8000-000000000001';
const logger = createLogger({ level: 'fatal', pretty: false });

// A relay whose hub stands at 5; what it asks of the log is answered when the test says so.
async function setUp() {
  const hub = createHub(LOG_ID, 5);
  const log = { log: LOG_ID, head: 5, first: 1 } as Head;
  const asked: PromiseWithResolvers<void>[] = [];
  const ranges: number[] = [];
  const relay = createRelay({
    hub,
    logger,
    log: {
      head: async () => {
        asked.push(Promise.withResolvers());
        await asked.at(-1)?.promise;
        return { ...log };
      },
      range: async (epoch, after, through) => {
        ranges.push(after);
        return epoch === log.log ? logRows(after, Math.min(through, log.head), { subject: log.log }) : [];
      },
    },
  });
  const published: FeedEvent[] = [];
  const restarts: [log: string, position: number][] = [];
  const listener = {
    filter: EVERYTHING,
    offer: (event: FeedEvent) => void published.push(event),
    restarted: ({ log }: Head) => void restarts.push([log, hub.position]),
  };
  hub.subscriptions.add(listener);
  hub.join(listener);
  const answer = async () => {
    await until(() => asked.length > 0);
    asked.shift()?.resolve();
  };
  const starting = relay.start();
  await answer();
  await starting;
  await until(() => asked.length === 0);
  return { hub, log, relay, answer, published, restarts, ranges };
}

const batch = (position: number) => ({
  rows: [logRow(position, { subject: 'handed over' })],
  before: position - 1,
  last: position,
});

test('a batch that is handed over while the epoch is in doubt is not published as one of the old', async t => {
  const { hub, log, relay, answer, published, restarts } = await setUp();
  Object.assign(log, { log: NEXT, head: 6, ends: new Map([[LOG_ID, 3]]) });
  relay.catchUp(); // as when this instance has become the leader
  relay.take(batch(6));
  t.deepEqual(published, []);
  await answer();
  await until(() => restarts.length > 0);
  t.deepEqual(restarts, [[NEXT, 6]]);
  t.deepEqual(published, []);
  relay.take(batch(7));
  t.deepEqual(
    published.map(({ position }) => position),
    [7],
  );
  t.is(hub.log, NEXT);
  await relay.stop();
});

test('a batch of an epoch in which nothing was lost is published once the epoch is known, and told with it', async t => {
  const { hub, log, relay, answer, published, restarts } = await setUp();
  Object.assign(log, { log: NEXT, head: 6, ends: new Map([[LOG_ID, 5]]) });
  relay.catchUp();
  relay.take(batch(6));
  await answer();
  await until(() => published.length > 0);
  t.deepEqual(restarts, [[NEXT, 5]]);
  t.deepEqual(published, [toEvent(logRow(6, { subject: NEXT }))]);
  t.is(hub.log, NEXT);
  await relay.stop();
});

test('an event of an epoch that this relay has yet to hear of is not published in the one before', async t => {
  const { log, relay, answer, published, restarts } = await setUp();
  Object.assign(log, { log: NEXT, head: 7, ends: new Map([[LOG_ID, 5]]) });
  relay.hear(7); // the NOTIFY of a leader elsewhere
  await answer();
  await until(() => published.length === 2);
  t.deepEqual(restarts, [[NEXT, 5]]);
  await relay.stop();
});

const offered = (position: number, subject = 'offered') => toEvent(logRow(position, { subject }));

test('an event that follows on goes to everybody at once; one that came already goes to nobody', async t => {
  const { relay, published } = await setUp();
  relay.offer(LOG_ID, offered(6));
  relay.offer(LOG_ID, offered(6, 'twice'));
  relay.offer(LOG_ID, offered(7));
  t.deepEqual(published, [offered(6), offered(7)]);
  await relay.stop();
});

test('what an event comes before is read from the log, and the event itself is not read again', async t => {
  const { log, relay, published, ranges } = await setUp();
  log.head = 7;
  relay.offer(LOG_ID, offered(8));
  relay.offer(LOG_ID, offered(9));
  await until(() => published.length === 4);
  t.deepEqual(
    published.map(({ position, subject }) => [position, subject]),
    [
      [6, LOG_ID],
      [7, LOG_ID],
      [8, 'offered'],
      [9, 'offered'],
    ],
  );
  t.deepEqual(ranges, [5]);
  await relay.stop();
});

test('an event is not published while the epoch is in doubt, and never when it proves to be of another one', async t => {
  const { log, relay, answer, published, restarts } = await setUp();
  relay.catchUp();
  relay.offer(LOG_ID, offered(6));
  t.deepEqual(published, []);
  Object.assign(log, { log: NEXT, head: 5, ends: new Map([[LOG_ID, 5]]) });
  await answer();
  await until(() => restarts.length > 0);
  await answer(); // whether there is anything that it was told of
  t.deepEqual(published, []);
  relay.offer(NEXT, offered(6, 'of the next'));
  await until(() => published.length > 0);
  t.deepEqual(published, [offered(6, 'of the next')]);
  await relay.stop();
});

test('an event of another epoch makes the relay ask the log which one it is in', async t => {
  const { hub, log, relay, answer, published } = await setUp();
  Object.assign(log, { log: NEXT, head: 6, ends: new Map([[LOG_ID, 5]]) });
  relay.offer(NEXT, offered(6));
  t.deepEqual(published, []);
  await answer();
  await until(() => published.length > 0);
  t.is(hub.log, NEXT);
  t.deepEqual(published, [toEvent(logRow(6, { subject: NEXT }))]);
  await relay.stop();
});
