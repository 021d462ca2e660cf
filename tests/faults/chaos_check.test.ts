// The judge of the fault suite, judged: a history in order passes, and each thing that can go wrong is told.
import test from 'ava';
import { check } from './chaos/check.ts';
import {
  digestOf,
  type Frame,
  type History,
  type ListenerRecord,
  type LogEvent,
  rowOf,
  type Transaction,
} from './chaos/history.ts';
import { INTERESTS } from './chaos/interests.ts';
import { FOLLOWED } from './chaos/psql_writer.ts';

const LOG = 'a log';

function event(
  position: number,
  transaction: string,
  type: string,
  subject: string,
  version: number,
): LogEvent {
  const data = JSON.stringify({ id: subject, version });
  return {
    position,
    topic: 'tasks',
    type,
    subject,
    time: '2026-01-01T00:00:00.000000Z',
    transaction,
    stagedId: position * 10,
    tag: `tag ${transaction}`,
    version,
    data,
    previous: null,
    digest: digestOf(`${position} ${data}`),
  };
}

interface Doctored extends History {
  events: LogEvent[];
  transactions: Transaction[];
  listeners: ListenerRecord[];
  log: string;
  ends: Map<string, number>;
  table: Map<string, string>;
  verified: string[];
  proved: string[];
}

// Transaction 100 makes a and b, 101 changes a, 102 deletes b and makes c; 103 was rolled back, 104 never got there.
function orderly(): Doctored {
  const events = [
    event(1, '100', 'task_created', 'a', 1),
    event(2, '100', 'task_created', 'b', 1),
    event(3, '101', 'task_updated', 'a', 2),
    event(4, '102', 'task_deleted', 'b', 1),
    event(5, '102', 'task_created', 'c', 1),
  ];
  const made = (transaction: string) =>
    events
      .filter(each => each.transaction === transaction)
      .map(({ type, subject, version }) => ({ type, subject, version: Number(version) }));
  const frames = (from: number): Frame[] =>
    events.slice(from).map(({ position, digest }) => ({ position, digest }));
  const wants = ({ topic }: LogEvent) => topic === 'tasks';
  return {
    events,
    transactions: [
      { tag: 'tag 100', outcome: 'committed', changes: made('100') },
      { tag: 'tag 101', outcome: 'in doubt', changes: [{ type: 'task_updated' }] },
      { tag: 'tag 102', outcome: 'committed', changes: made('102') },
      {
        tag: 'tag 103',
        outcome: 'rolled back',
        changes: [{ type: 'task_created', subject: 'd', version: 1 }],
      },
      { tag: 'tag 104', outcome: 'in doubt', changes: [{ type: 'task_created' }] },
    ],
    listeners: [
      {
        name: 'first',
        wants,
        segments: [{ began: LOG, log: LOG, start: 0, frames: [...frames(0), { position: 5 }] }],
      },
      {
        name: 'second',
        wants,
        segments: [
          { began: 'before', log: 'before', start: 0, frames: frames(0).slice(0, 2) },
          { began: LOG, log: LOG, start: 3, frames: frames(3) },
        ],
      },
    ],
    log: LOG,
    ends: new Map(),
    table: new Map(
      events.filter(({ position }) => position === 3 || position === 5).map(e => [e.subject, e.data]),
    ),
    verified: [],
    proved: [],
  };
}

/** The promises that a history breaks once it was doctored. */
function broken(doctor: (history: Doctored) => void): string[] {
  const history = orderly();
  doctor(history);
  return [...new Set(check(history).map(({ promise }) => promise))].sort();
}

const framesOf = (history: Doctored) => history.listeners[0]?.segments[0]?.frames ?? [];
const change = (each: LogEvent | undefined, what: Partial<LogEvent>) => Object.assign(each ?? {}, what);

test('a history in order breaks no promise', t => {
  t.deepEqual(check(orderly()), []);
});

test('a listener that lost an event is told of, in the middle and at the end', t => {
  t.deepEqual(
    broken(history => framesOf(history).splice(2, 1)),
    ['no event is lost'],
  );
  t.deepEqual(
    broken(history => framesOf(history).splice(4)),
    ['no event is lost'],
  );
});

test('a position to resume from that lies beyond what has come is told of', t => {
  t.deepEqual(
    broken(history => framesOf(history).splice(1, 0, { position: 2 })),
    ['no event is lost', 'no event comes twice or out of order'].sort(),
  );
});

test('a listener that got an event twice, out of order, or with another text is told of', t => {
  const again = 'no event comes twice or out of order';
  t.deepEqual(
    broken(history => framesOf(history).splice(2, 0, ...framesOf(history).slice(1, 2))),
    [again],
  );
  t.true(
    broken(history => framesOf(history).splice(1, 2, ...framesOf(history).slice(1, 3).reverse())).includes(
      again,
    ),
  );
  t.deepEqual(
    broken(history => Object.assign(framesOf(history)[3] ?? {}, { digest: digestOf('another') })),
    ['every listener gets the text of the log'],
  );
});

test('an event that came and is not in the log is told of', t => {
  const wants = ({ position }: LogEvent) => position !== 2;
  t.deepEqual(
    broken(history => Object.assign(history.listeners[0] ?? {}, { wants })),
    ['only what is in the log, and wanted, comes'],
  );
});

// A log in which every interest finds what it wants and, but for those who want everything, what it does not.
function various(): LogEvent[] {
  const task = (
    position: number,
    type: string,
    subject: string,
    status: string,
    previous: string | null = null,
  ) => {
    const data = JSON.stringify({ id: subject, status, version: 1 });
    return { ...event(position, '100', type, subject, 1), data, previous, version: null, tag: 'tag 100' };
  };
  return [
    task(1, 'task_created', FOLLOWED, 'todo'),
    task(2, 'task_created', 'a', 'todo'),
    { ...task(3, 'run_queued', 'run', 'queued'), topic: 'runs' },
    task(4, 'task_updated', FOLLOWED, 'done', '{"status":"todo"}'),
    task(5, 'task_updated', 'a', 'done', '{"title":"todo"}'),
    { ...task(6, 'run_started', 'run', 'running'), topic: 'runs' },
  ];
}

const WANTED: Record<string, number[]> = {
  tasks: [1, 2, 4, 5],
  'tasks from their snapshot on': [1, 2, 4, 5],
  'what is to be done': [1, 2, 4],
  'one task': [1, 4],
  everything: [1, 2, 3, 4, 5, 6],
  'the stream': [1, 2, 3, 4, 5, 6],
  pages: [1, 2, 3, 4, 5, 6],
};

for (const { name, wants } of INTERESTS) {
  // What is told of a listener that got these events, and a position to resume from at the end.
  const told = (positions: readonly number[]) => {
    const events = various();
    const frames = events.filter(({ position }) => positions.includes(position));
    const listener = {
      name,
      wants,
      segments: [{ began: LOG, log: LOG, start: 0, frames: [...frames, { position: 6 }] }],
    };
    const history = { ...orderly(), events, transactions: [], table: new Map(), listeners: [listener] };
    return check(history).filter(({ detail }) => detail.startsWith(`${name}: `));
  };
  test(`what a listener lost, or got and did not want, is told of: ${name}`, t => {
    const wanted = WANTED[name] ?? [];
    t.deepEqual(told(wanted), []);
    for (const { position } of various()) {
      const isWanted = wanted.includes(position);
      const others = wanted.filter(each => each !== position);
      const faults = told(isWanted ? others : [...wanted, position]).map(({ promise }) => promise);
      t.deepEqual(faults, [isWanted ? 'no event is lost' : 'only what is in the log, and wanted, comes']);
    }
  });
}

test('a snapshot that is not the log folded up to its position is told of', t => {
  const [, b, a] = orderly().events;
  const rows = [a, b].map(each => rowOf(JSON.parse(each?.data ?? '')));
  const snapshot = (doctored: typeof rows) =>
    broken(({ listeners }) => Object.assign(listeners[1]?.segments[1] ?? {}, { snapshot: doctored }));
  const folded = ['a snapshot is the log folded up to its position, each entity once'];
  t.deepEqual(snapshot(rows), []);
  t.deepEqual(snapshot(rows.slice(1)), folded, 'one is missing');
  t.deepEqual(snapshot([...rows, ...rows.slice(1)]), folded, 'one comes twice');
  t.deepEqual(snapshot([...rows, rowOf({ id: 'c', version: 1 })]), folded, 'one is from later');
  t.deepEqual(
    snapshot([...rows.slice(1), rowOf({ id: 'a', version: 1 })]),
    folded,
    'one is as it was before',
  );
});

test('a listener of an earlier epoch of the log is in order once it was told of the present one', t => {
  const renewed = (told: string) =>
    broken(history => {
      history.log = 'the next epoch';
      history.ends.set(LOG, 4);
      for (const { segments } of history.listeners) Object.assign(segments.at(-1) ?? {}, { log: told });
    });
  t.deepEqual(renewed('the next epoch'), []);
  t.deepEqual(renewed(LOG), ['every listener is told of the present epoch']);
});

test('a listener that was not reset when the log became another one is told of', t => {
  t.deepEqual(
    broken(history => {
      history.log = 'after';
      for (const { segments } of history.listeners) Object.assign(segments.at(-1) ?? {}, { log: 'after' });
    }),
    ['when the log has become another one every listener is reset'],
  );
});

test('a log that lost an event, or holds one twice, is told of', t => {
  const dense = 'positions are 1, 2, 3, …';
  t.true(broken(history => history.events.splice(2, 1)).includes(dense));
  const twice = broken(history =>
    history.events.push({ ...event(6, '102', 'task_created', 'c', 1), stagedId: 60 }),
  );
  t.deepEqual(twice, [
    "a row's versions ascend by one",
    'no event is lost',
    'what was committed is in the log exactly once',
  ]);
});

test('versions that are swapped are told of', t => {
  t.true(
    broken(history => {
      change(history.events[0], { version: 2 });
      change(history.events[2], { version: 1 });
    }).includes("a row's versions ascend by one"),
  );
});

test('a torn or shuffled transaction is told of', t => {
  const together = 'events of a transaction stay together, in order';
  t.true(
    broken(history => {
      change(history.events[1], { transaction: '101', tag: 'tag 101' });
      change(history.events[2], { transaction: '100', tag: 'tag 100' });
    }).includes(together),
  );
  t.deepEqual(
    broken(history => change(history.events[1], { stagedId: 1 })),
    [together],
  );
});

test('what was rolled back and came, and what was committed and did not, is told of', t => {
  t.deepEqual(
    broken(history => change(history.events[2], { tag: 'tag 103' })),
    ['what was rolled back is not in the log'],
  );
  t.deepEqual(
    broken(history =>
      history.transactions.push({
        tag: 'tag 105',
        outcome: 'committed',
        changes: [{ type: 'task_created' }],
      }),
    ),
    ['what was committed is in the log exactly once'],
  );
  t.deepEqual(
    broken(history => change(history.events[2], { tag: null })),
    ['what is in the log was written by somebody'],
  );
});

test('half of a transaction in doubt is told of', t => {
  t.deepEqual(
    broken(history => history.transactions[1]?.changes.push({ type: 'task_updated' })),
    ['a transaction is in the log as a whole or not at all'],
  );
});

test('a table that is not what the log says, and what verify finds, is told of', t => {
  const folded = 'the log, folded, is the table';
  t.deepEqual(
    broken(history => history.table.set('a', '{}')),
    [folded],
  );
  t.deepEqual(
    broken(history => history.table.delete('c')),
    [folded],
  );
  t.deepEqual(
    broken(history => history.table.set('b', '{}')),
    [folded],
  );
  t.deepEqual(
    broken(history => history.verified.push('something')),
    ['feed.verify() finds nothing'],
  );
  t.deepEqual(
    broken(history => history.proved.push('something')),
    ['feed.prove() finds nothing'],
  );
});
