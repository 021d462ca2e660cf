// The log in pages, as those who are behind read it: over a log whose answers a test holds back or changes.
import test from 'ava';
import { pino } from 'pino';
import type { LogRow } from '../../src/events.ts';
import { EVERYTHING } from '../../src/feed/filter.ts';
import { createLogReader, type LogQueries, type SnapshotRow } from '../../src/feed/log_reader.ts';
import { LOG_ID, logRows } from '../helpers/rows.ts';
import { until } from '../helpers/until.ts';

const logger = pino({ level: 'silent' });

function reader(queries: Partial<LogQueries>) {
  const none = {
    head: async () => ({ log: LOG_ID, head: 0, first: 1 }),
    range: async () => [],
    ofSubjects: async () => [],
    ofTypes: async () => [],
    compacted: async () => ({ rows: [], through: 0 }),
    topics: async () => [],
    snapshot: async () => [],
  };
  return createLogReader({ ...none, ...queries }, logger);
}

const request = (after: number, goal: number) => ({ log: LOG_ID, after, goal, filter: EVERYTHING });
const last = (page: { events: readonly { position: number }[] }) => page.events.at(-1)?.position;

test('who wants more of the newest page than others who asked before is not given theirs', async t => {
  const asked: PromiseWithResolvers<readonly LogRow[]>[] = [];
  const log = reader({
    range: () => {
      asked.push(Promise.withResolvers<readonly LogRow[]>());
      return (asked.at(-1) as PromiseWithResolvers<readonly LogRow[]>).promise;
    },
  });
  const [early, same] = [log.page(request(0, 10)), log.page(request(5, 10))];
  const late = log.page(request(0, 20));
  t.is(asked.length, 2, 'those who want the same share it');
  asked[0]?.resolve(logRows(0, 10));
  asked[1]?.resolve(logRows(0, 20));
  t.is(last(await early), 10);
  t.is(last(await same), 10);
  t.is(last(await late), 20);
});

test('of a subject a page is not all: the next one goes on where it ended', async t => {
  const rows = logRows(0, 1_200);
  const log = reader({
    head: async () => ({ log: LOG_ID, head: 5_000, first: 1 }),
    ofSubjects: async (_, { after, through, limit }) =>
      rows.filter(({ position }) => position > after && position <= through).slice(0, limit),
  });
  const filter = { ...EVERYTHING, subjects: new Set(['x']) };
  const seen: number[] = [];
  for (let after = 0; after < 5_000; ) {
    const page = await log.page({ log: LOG_ID, after, goal: 5_000, filter });
    seen.push(...page.events.map(({ position }) => position));
    after = page.through;
  }
  t.deepEqual(
    seen,
    rows.map(({ position }) => position),
  );
});

test('what was read before the log went back is not given to anybody after it', async t => {
  let mark = 'before';
  let head = 1_000;
  const slow = Promise.withResolvers<void>();
  const log = reader({
    head: async () => ({ log: LOG_ID, head, first: 1 }),
    range: async (_, after, through) => {
      const rows = logRows(after, Math.min(through, head), { data: JSON.stringify({ mark }) });
      if (after === 500 && mark === 'before') await slow.promise;
      return rows;
    },
  });
  await log.page(request(0, 400));
  const pending = log.page(request(500, 1_000));
  [mark, head] = ['after', 600];
  log.forget();
  slow.resolve();
  await pending;
  for (const after of [0, 390, 500]) {
    const { events } = await log.page(request(after, 600));
    t.true(events.length > 0);
    t.true(events.every(({ json }) => json.includes('after')));
  }
});

test('snapshots never take every turn: who is behind reads on beside them', async t => {
  const begun: string[] = [];
  const end = Promise.withResolvers<readonly never[]>();
  const log = reader({
    snapshot: ({ topic }) => {
      begun.push(topic);
      return end.promise;
    },
    range: async (_, after, through) => logRows(after, through),
  });
  const of = (topic: string) =>
    log.snapshot({ topic, position: 0, subjects: undefined, after: undefined, limit: 1 });
  const snapshots = ['first', 'second', 'third'].map(of);
  t.is(last(await log.page(request(0, 500))), 500);
  t.deepEqual(begun, ['first']);
  end.resolve([]);
  await Promise.all(snapshots);
  t.deepEqual(begun, ['first', 'second', 'third']);
});

test('a topic or a head that is asked for later is not an earlier answer', async t => {
  let head = 1;
  const log = reader({ head: async () => ({ log: LOG_ID, head: head++, first: 1 }) });
  const [first, second] = [log.head(), log.head()];
  t.deepEqual([(await first).head, (await second).head], [1, 2]);
});

test('a crowd that asks for the same page of a snapshot has it read once, and who asks for another one has his own', async t => {
  const asked: PromiseWithResolvers<readonly SnapshotRow[]>[] = [];
  const log = reader({
    snapshot: () => {
      asked.push(Promise.withResolvers<readonly SnapshotRow[]>());
      return (asked.at(-1) as PromiseWithResolvers<readonly SnapshotRow[]>).promise;
    },
  });
  const place = { topic: 'tasks', position: 7, subjects: undefined, after: undefined, limit: 100 };
  const rows = [{ subject: 'x', document: '{}' }];
  const crowd = Array.from({ length: 100 }, () => log.snapshot({ ...place }));
  const others = [
    { ...place, position: 8 },
    { ...place, topic: 'runs' },
    { ...place, subjects: ['x'] },
    { ...place, after: 'x' },
    { ...place, limit: 101 },
  ].map(request => log.snapshot(request));
  asked[0]?.resolve(rows);
  for (const answer of await Promise.all(crowd)) t.is(answer, rows);
  for (let turn = 1; turn <= others.length; turn++) {
    await until(() => asked.length > turn);
    asked[turn]?.resolve([]);
  }
  t.deepEqual(await Promise.all(others), [[], [], [], [], []]);
  t.is(asked.length, 1 + others.length);
});

test('a page of a snapshot that was read is given to those who ask for it shortly after, until the log goes back', async t => {
  let asked = 0;
  const log = reader({
    snapshot: async () => {
      asked++;
      return [{ subject: 'x', document: '{}' }];
    },
  });
  const place = { topic: 'tasks', position: 7, subjects: undefined, after: undefined, limit: 100 };
  const page = await log.snapshot(place);
  t.is(await log.snapshot({ ...place }), page);
  t.is(asked, 1);
  log.forget();
  t.not(await log.snapshot(place), page);
  t.is(asked, 2);
});

test('pages of snapshots that are kept do not grow without end', async t => {
  const asked: number[] = [];
  const document = 'x'.repeat(1024 * 1024);
  const log = reader({
    snapshot: async ({ position }) => {
      asked.push(position);
      return [{ subject: 'x', document }];
    },
  });
  const of = (position: number) =>
    log.snapshot({ topic: 'tasks', position, subjects: undefined, after: undefined, limit: 100 });
  for (let position = 0; position < 20; position++) await of(position);
  await of(19);
  t.is(asked.length, 20, 'the newest is kept');
  await of(0);
  t.is(asked.length, 21, 'the oldest is not');
});

test('while others write a crowd takes its snapshots of one position, and a client alone takes the newest', async t => {
  let head = 0;
  const pages: PromiseWithResolvers<readonly SnapshotRow[]>[] = [];
  const log = reader({
    head: async () => ({ log: LOG_ID, head: ++head, first: 1 }),
    snapshot: () => {
      pages.push(Promise.withResolvers<readonly SnapshotRow[]>());
      return (pages.at(-1) as PromiseWithResolvers<readonly SnapshotRow[]>).promise;
    },
  });
  const begin = async () => {
    const { head: position } = await log.moment();
    const page = log.snapshot({
      topic: 'tasks',
      position,
      subjects: undefined,
      after: undefined,
      limit: 100,
    });
    return { position, page };
  };
  const crowd = [];
  for (let client = 0; client < 20; client++) crowd.push(await begin());
  t.deepEqual(
    crowd.map(({ position }) => position),
    Array.from({ length: 20 }, (_, client) => Math.min(client + 1, 8)),
  );
  for (let turn = 0; turn < 8; turn++) {
    await until(() => pages.length > turn);
    pages[turn]?.resolve([]);
  }
  await Promise.all(crowd.map(({ page }) => page));
  t.is(pages.length, 8);
  t.is((await log.moment()).head, 9, 'the crowd has gone');
});

test('a page of a snapshot that is being read as the log goes back is not given to who asks after it', async t => {
  const answers = [
    Promise.withResolvers<readonly SnapshotRow[]>(),
    Promise.withResolvers<readonly SnapshotRow[]>(),
  ];
  let asked = 0;
  const log = reader({ snapshot: () => (answers[asked++] as (typeof answers)[0]).promise });
  const place = { topic: 'tasks', position: 7, subjects: undefined, after: undefined, limit: 100 };
  const before = log.snapshot(place);
  log.forget();
  const after = log.snapshot(place);
  answers[0]?.resolve([{ subject: 'x', document: '{"mark":"before"}' }]);
  answers[1]?.resolve([{ subject: 'x', document: '{"mark":"after"}' }]);
  t.is((await before)[0]?.document, '{"mark":"before"}');
  t.is((await after)[0]?.document, '{"mark":"after"}');
});

test('where pages are cut for their size, whoever reads on misses nothing and shares what was read', async t => {
  const rows = logRows(0, 1_000);
  const asked: string[] = [];
  const log = reader({
    range: async (_, after, through) => {
      asked.push(`${after}-${through}`);
      return rows.slice(after, Math.min(through, after + 120));
    },
  });
  const readFrom = async (start: number) => {
    const seen: number[] = [];
    for (let after = start; after < 1_000; ) {
      const page = await log.page(request(after, 1_000));
      t.is(page.from, after);
      seen.push(...page.events.map(({ position }) => position));
      after = page.through;
    }
    return seen;
  };
  const all = rows.map(({ position }) => position);
  t.deepEqual(await readFrom(0), all);
  const before = asked.length;
  t.deepEqual(await readFrom(0), all);
  t.is(asked.length, before);
  t.deepEqual(await readFrom(130), all.slice(130));
});
