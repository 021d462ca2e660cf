// Judges a history: every promise of the log and the sockets, one function each. Pure, so that it can be tested with
// histories in which something went wrong.
import {
  type Change,
  type History,
  type ListenerRecord,
  type LogEvent,
  rowOf,
  type Segment,
  type Transaction,
  type Violation,
} from './history.ts';

/** Every broken promise; none if all is well. */
export function check(history: History): Violation[] {
  const { events, transactions, listeners, table, verified, proved } = history;
  return [
    ...dense(events),
    ...whole(events),
    ...versioned(events),
    ...settled(transactions, events),
    ...listeners.flatMap(listener => [...heard(listener, history)]),
    ...folded(events, table),
    ...verified.map(detail => ({ promise: 'feed.verify() finds nothing', detail })),
    ...proved.map(detail => ({ promise: 'feed.prove() finds nothing', detail })),
  ];
}

function* dense(events: readonly LogEvent[]): Generator<Violation> {
  for (const [index, event] of events.entries()) {
    if (event.position === index + 1) continue;
    yield at(event, 'positions are 1, 2, 3, …', `${event.position} stands where ${index + 1} should`);
    return; // every later one would say the same
  }
}

// Every transaction stands in one piece, in the order in which it was staged.
function* whole(events: readonly LogEvent[]): Generator<Violation> {
  const seen = new Set<string>();
  let before: LogEvent | undefined;
  for (const event of events) {
    const promise = 'events of a transaction stay together, in order';
    const goesOn = before?.transaction === event.transaction;
    if (!goesOn && seen.has(event.transaction))
      yield at(event, promise, `transaction ${event.transaction} goes on at ${event.position}`);
    if (goesOn && before && before.stagedId >= event.stagedId)
      yield at(event, promise, `${event.position} was staged before ${before.position}`);
    seen.add(event.transaction);
    before = event;
  }
}

function* versioned(events: readonly LogEvent[]): Generator<Violation> {
  const last = new Map<string, number>();
  for (const event of events) {
    if (event.version === null) continue;
    const known = last.get(event.subject) ?? 0;
    const expected = event.type.endsWith('_deleted') ? known : known + 1;
    if (event.version !== expected)
      yield at(
        event,
        "a row's versions ascend by one",
        `${event.type} of ${event.subject} has version ${event.version} after ${known}`,
      );
    last.set(event.subject, event.version);
  }
}

function* settled(transactions: readonly Transaction[], events: readonly LogEvent[]): Generator<Violation> {
  const tasks = events.filter(event => event.topic === 'tasks');
  const byTag = Map.groupBy(tasks, event => event.tag);
  for (const { tag, outcome, changes } of transactions) {
    const logged = byTag.get(tag) ?? [];
    byTag.delete(tag);
    if (
      logged.length === 0
        ? outcome !== 'committed' || changes.length === 0
        : outcome !== 'rolled back' && areThe(changes, logged)
    )
      continue;
    const differs = changes.findIndex((change, index) => !isThe(change, logged[index], logged[0]));
    const from = differs < 0 ? changes.length : differs;
    const detail = `${tag} (${outcome}) made ${tell(changes, from)}; the log has ${tell(logged, from)}`;
    const first = logged[0];
    yield first ? at(first, SETTLED[outcome], detail) : { promise: SETTLED[outcome], detail };
  }
  for (const [tag, [event]] of byTag)
    if (event)
      yield at(
        event,
        'what is in the log was written by somebody',
        `nobody wrote ${tag} at ${event.position}`,
      );
}

const SETTLED = {
  committed: 'what was committed is in the log exactly once',
  'rolled back': 'what was rolled back is not in the log',
  'in doubt': 'a transaction is in the log as a whole or not at all',
};

function areThe(changes: readonly Change[], logged: readonly LogEvent[]): boolean {
  return (
    changes.length === logged.length && changes.every((each, index) => isThe(each, logged[index], logged[0]))
  );
}

function isThe(
  { type, subject, version }: Change,
  event: LogEvent | undefined,
  first: LogEvent | undefined,
): boolean {
  return (
    event?.type === type &&
    event.transaction === first?.transaction &&
    (subject ?? event.subject) === event.subject &&
    (version ?? event.version) === event.version
  );
}

function* heard(listener: ListenerRecord, { events, log, ends }: History): Generator<Violation> {
  const wanted = events.filter(listener.wants);
  for (const segment of listener.segments) {
    const open = segment === listener.segments.at(-1);
    const head = events.at(-1)?.position ?? 0;
    for (const fault of [...began(segment, events), ...follow(segment, wanted, { open, head })])
      yield { ...fault, detail: `${listener.name}: ${fault.detail}` };
  }
  const last = listener.segments.at(-1);
  if (last?.log !== log)
    yield {
      promise: 'every listener is told of the present epoch',
      detail: `${listener.name} still has ${last?.log}, which is ${log} now`,
    };
  if (last && last.began !== log && !ends.has(last.began))
    yield {
      promise: 'when the log has become another one every listener is reset',
      detail: `${listener.name} began with ${last.began}, which this log does not know, and was not reset`,
    };
}

// Holds the state that it began with against the log up to there.
function* began({ start, snapshot }: Segment, events: readonly LogEvent[]): Generator<Violation> {
  if (!snapshot) return;
  const promise = 'a snapshot is the log folded up to its position, each entity once';
  const left = fold(events.filter(({ position }) => position <= start));
  for (const { subject, digest } of snapshot) {
    const event = left.get(subject);
    left.delete(subject);
    if (!event) yield { promise, detail: `${subject} as of ${start}: it was not there, or came before` };
    else if (rowOf(JSON.parse(event.data)).digest !== digest)
      yield at(event, promise, `${subject} as of ${start}: it is not as ${event.position} says`);
  }
  for (const event of left.values()) yield at(event, promise, `${event.subject} as of ${start} did not come`);
}

// Holds what came against what was to come next; `open`: it goes on to the end of the log, which is `head`.
function* follow(
  segment: Segment,
  wanted: readonly LogEvent[],
  { open, head }: { open: boolean; head: number },
): Generator<Violation> {
  let next = wanted.findIndex(event => event.position > segment.start);
  if (next < 0) next = wanted.length;
  let last = segment.start;
  for (const { position, digest } of segment.frames) {
    if (position > head) break; // later than what was collected
    const again = digest !== undefined && position <= last;
    if (again) yield { promise: 'no event comes twice or out of order', detail: `${position} after ${last}` };
    const reached = digest === undefined ? position + 1 : position;
    for (let event = wanted[next]; event && event.position < reached; event = wanted[++next])
      yield lost(event, position);
    last = Math.max(last, position);
    if (digest === undefined) continue;
    const event = wanted[next];
    if (event?.position === position) {
      next++;
      if (event.digest !== digest)
        yield at(event, 'every listener gets the text of the log', `${position} came with another text`);
    } else if (!again)
      yield { promise: 'only what is in the log, and wanted, comes', detail: `${position} came` };
  }
  if (!open) return;
  const missing = wanted[next];
  if (missing) yield lost(missing, undefined, wanted.length - next);
}

function lost(event: LogEvent, before: number | undefined, count = 1): Violation {
  const where =
    before === undefined ? `nor the ${count - 1} after it, to the end` : `and then came ${before}`;
  return at(event, 'no event is lost', `${event.position} (${event.type}) did not come, ${where}`);
}

function* folded(events: readonly LogEvent[], table: ReadonlyMap<string, string>): Generator<Violation> {
  const promise = 'the log, folded, is the table';
  const alive = fold(events);
  for (const event of alive.values()) {
    const row = table.get(event.subject);
    if (row !== event.data)
      yield at(
        event,
        promise,
        `the table says ${row ?? 'nothing'}, position ${event.position} says ${event.data}`,
      );
  }
  for (const [subject, row] of table)
    if (!alive.has(subject)) yield { promise, detail: `the log does not know ${subject}: ${row}` };
}

// The last event of each task that is there.
function fold(events: readonly LogEvent[]): Map<string, LogEvent> {
  const alive = new Map<string, LogEvent>();
  for (const event of events.filter(({ topic }) => topic === 'tasks')) {
    if (event.type === 'task_deleted') alive.delete(event.subject);
    else alive.set(event.subject, event);
  }
  return alive;
}

function at(event: LogEvent, promise: string, detail: string): Violation {
  return { promise, detail, at: Date.parse(event.time) };
}

const SHOWN = 5;

interface Listed {
  type: string;
  subject?: string;
  version?: number | null;
  position?: number;
}

// From the first difference on, since what comes before is of no interest.
function tell(changes: readonly Listed[], from: number): string {
  if (changes.length === 0) return 'nothing';
  const each = changes.slice(from, from + SHOWN).map(({ type, subject = '?', version = '?', position }) => {
    return `${position === undefined ? '' : `${position}: `}${type} ${subject} v${version}`;
  });
  return `${changes.length}, from the ${from + 1}. on ${each.join(', ') || 'none'}`;
}
