// The hub finds by index whom a question to each subscriber would find.
import test from 'ava';
import { type FeedEvent, toEvent } from '../../src/events.ts';
import { EVERYTHING, type Filter, matches } from '../../src/feed/filter.ts';
import { createHub, type Subscriber } from '../../src/feed/hub.ts';
import { createRandom, type Random } from '../helpers/random.ts';
import { LOG_ID } from '../helpers/rows.ts';

const WORDS = ['a', 'b', 'c'] as const;

function some(random: Random): Set<string> {
  return new Set(
    random.chance(0.5) ? [] : Array.from({ length: 1 + random.below(2) }, () => random.pick(WORDS)),
  );
}

function randomFilter(random: Random): Filter {
  const fields = ['status', 'labels'].map(column => [column, some(random)] as const);
  return {
    topics: some(random),
    types: some(random),
    subjects: some(random),
    fields: new Map(fields.filter(([, values]) => values.size > 0)),
  };
}

function randomEvent(random: Random, position: number): FeedEvent {
  const word = () => random.pick(WORDS);
  const previous = random.chance(0.5) ? null : JSON.stringify({ status: word() });
  return toEvent({
    ...{ position, topic: word(), type: word(), subject: word(), time: '2026-11-23T05:38:12.345678Z' },
    ...{ origin: 'psql', transaction: '7', actor: null, requestid: null, entity: null },
    data: JSON.stringify({ status: word(), labels: [...some(random)] }),
    previous,
  });
}

test('whatever the filters, each subscriber is offered every event that it wants', t => {
  const random = createRandom(t.log);
  const hub = createHub(LOG_ID, 0);
  const listeners = Array.from({ length: 200 }, () => {
    const filter = randomFilter(random);
    const seen = new Set<number>();
    const offer = (event: FeedEvent) => void (matches(filter, event) && seen.add(event.position));
    const listener: Subscriber = { filter, offer, restarted: () => {} };
    return { listener, filter, seen, wanted: new Set<number>(), joined: false };
  });
  for (let position = 1; position <= 500; position++) {
    const one = random.pick(listeners);
    one.joined = !one.joined;
    if (one.joined) hub.join(one.listener);
    else hub.leave(one.listener);
    const event = randomEvent(random, position);
    for (const each of listeners) if (each.joined && matches(each.filter, event)) each.wanted.add(position);
    hub.publish(event);
  }
  t.true(listeners.some(({ wanted }) => wanted.size > 50));
  for (const { seen, wanted } of listeners) t.deepEqual(seen, wanted);
});

test('an event costs what it matches: subscribers to other subjects are not even asked', t => {
  const random = createRandom(t.log);
  const hub = createHub(LOG_ID, 0);
  let asked = 0;
  for (let index = 0; index < 10_000; index++) {
    const filter = { ...EVERYTHING, subjects: new Set([`subject ${index}`]) };
    hub.join({ filter, offer: () => void asked++, restarted: () => {} });
  }
  for (let position = 1; position <= 100; position++) {
    hub.publish({ ...randomEvent(random, position), subject: `subject ${random.below(10_000)}` });
  }
  t.is(asked, 100);
});

test('an event that leaves a filter is for it, one that was never in it is not', t => {
  const filter = { ...EVERYTHING, fields: new Map([['status', new Set(['a'])]]) };
  const event = (status: string, previous: string | null) =>
    toEvent({
      ...{
        position: 1,
        topic: 'tasks',
        type: 'task_updated',
        subject: 'x',
        time: '2026-11-23T05:38:12.345678Z',
      },
      ...{
        origin: 'psql',
        transaction: '7',
        actor: null,
        requestid: null,
        entity: null,
        data: JSON.stringify({ status, labels: [] }),
      },
      previous,
    });
  t.true(matches(filter, event('a', '{"status":"b"}')));
  t.true(matches(filter, event('b', '{"status":"a"}')));
  t.false(matches(filter, event('b', '{"title":"a"}')));
  t.false(matches(filter, event('b', null)));
});
