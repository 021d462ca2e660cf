// Many subscriptions, each to one subject, against a Map from subject to socket. A send is the same for both: the
// event's text as bytes. Also what an event costs beside ten thousand subscriptions, against beside a hundred.
import { type FeedEvent, toEvent } from '../../src/events.ts';
import { EVERYTHING } from '../../src/feed/filter.ts';
import { createHub } from '../../src/feed/hub.ts';
import type { Log } from '../../src/feed/log_reader.ts';
import { subscribe } from '../../src/feed/subscription.ts';
import type { Bench } from './bench.ts';
import { measure, type Row } from './rounds.ts';

const MANY = 10_000;
const FEW = 100;
const EVENTS = 300_000; // per round
const HEAD = { log: '00000000-0000-7000-8000-000000000000', head: 0, first: 1 };

export async function filtered({ rounds }: Bench): Promise<Row[]> {
  const [many, few] = [eventsOf(MANY), eventsOf(FEW)];
  const figures = await measure(
    [
      { name: 'ours', run: () => oneRound(createOurs(MANY), many) },
      { name: 'floor', run: () => oneRound(createFloor(MANY), many) },
      { name: 'few', run: () => oneRound(createOurs(FEW), few) },
    ],
    rounds,
  );
  const value = (name: string, figure: string) => figures[name]?.[figure] ?? Number.NaN;
  return [
    {
      figure: `${MANY} subscriptions by subject`,
      ours: value('ours', 'rate'),
      floor: value('floor', 'rate'),
      unit: 'events/s',
      target: { atLeast: 0.5 },
    },
    {
      figure: `processor per event, against ${FEW} subscriptions`,
      ours: value('ours', 'cpu'),
      floor: value('few', 'cpu'),
      unit: 'µs',
      target: { atMost: 2 },
    },
  ];
}

type Route = (event: FeedEvent) => void;

/** What stands for a socket: it counts what it was sent. */
interface Sink {
  events: number;
  bytes: number;
}

async function oneRound({ route, sinks }: { route: Route; sinks: Sink[] }, events: readonly FeedEvent[]) {
  await new Promise(setImmediate); // the subscriptions are live
  const [started, used] = [performance.now(), process.cpuUsage()];
  for (const event of events) route(event);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(used);
  const [one] = sinks;
  const isEven = sinks.every(sink => sink.events === events.length / sinks.length && sink.bytes > 0);
  if (!isEven)
    throw new Error(`the sinks have not had the same: the first ${one?.events} of ${events.length}`);
  return { rate: events.length / seconds, cpu: (user + system) / events.length };
}

function createOurs(count: number): { route: Route; sinks: Sink[] } {
  const hub = createHub(HEAD.log, 0);
  const sinks = createSinks(count);
  for (const [index, sink] of sinks.entries()) {
    const outlet = {
      write(event: FeedEvent) {
        send(sink, event);
        return true;
      },
      ended: () => {},
    };
    const filter = { ...EVERYTHING, subjects: new Set([subjectOf(index)]) };
    subscribe({ hub, log: NOT_READ, head: HEAD, after: 0, filter, outlet });
  }
  return { route: event => hub.publish(event), sinks };
}

function createFloor(count: number): { route: Route; sinks: Sink[] } {
  const sinks = createSinks(count);
  const bySubject = new Map(sinks.map((sink, index) => [subjectOf(index), sink]));
  const route = (event: FeedEvent) => {
    const sink = bySubject.get(event.subject);
    if (sink) send(sink, event);
  };
  return { route, sinks };
}

function send(sink: Sink, event: FeedEvent): void {
  sink.events++;
  sink.bytes += Buffer.from(event.json).length;
}

function createSinks(count: number): Sink[] {
  return Array.from({ length: count }, () => ({ events: 0, bytes: 0 }));
}

// Every subject as often, neighbours far apart.
function eventsOf(subjects: number): FeedEvent[] {
  return Array.from({ length: EVENTS }, (_, index) =>
    toEvent({
      ...{
        position: index + 1,
        topic: 'tasks',
        type: 'task_updated',
        origin: 'psql',
        actor: null,
        requestid: null,
      },
      subject: subjectOf((index * 7_919) % subjects),
      time: '2026-11-23T05:38:12.345678Z',
      transaction: String(index),
      data: JSON.stringify({ id: subjectOf(index % subjects), title: 'one of many', status: 'todo' }),
      previous: JSON.stringify({ status: 'done' }),
      entity: null,
    }),
  );
}

function subjectOf(index: number): string {
  return `01936a3c-7c1e-7000-8000-${String(index).padStart(12, '0')}`;
}

const notRead = () => Promise.reject(new Error('nobody is behind'));
const NOT_READ: Log = {
  head: notRead,
  moment: notRead,
  page: notRead,
  compacted: notRead,
  topics: notRead,
  snapshot: notRead,
  forget: () => {},
};
