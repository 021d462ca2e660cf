// The live feed, as the page uses the client: what there is now, what is told, and how the connection stands.
import { type Client, type Collection, connect, Problem } from '../client/client.ts';
import type { Access } from './access.ts';
import { lacking } from './fault_words.ts';
import type { Speech } from './format.ts';
import type { Notices } from './notices.ts';
import { type Watched, watched } from './paint.ts';
import type { Currency, Task, TaskFields, Told } from './rows.ts';
import type { Service } from './service.ts';

/** How the connection stands. */
interface LinkState {
  phase: 'connecting' | 'live' | 'away' | 'offline' | 'denied';
  /** The position up to which everything is shown. */
  position: number | undefined;
  /** The last position that is known of. */
  head: number | undefined;
  /** How long after its change the last event was here, in ms. */
  lag: number | undefined;
}

/** The rows of a topic as they are now. */
interface LiveRows<Row> {
  /** The same array until something has changed. */
  readonly items: readonly Row[];
  readonly ready: boolean;
  /** Why there are none, where the service says so. */
  readonly refusal: string | undefined;
  watch(listener: () => void): void;
}

interface LiveTasks extends LiveRows<Task> {
  isPending(id: string): boolean;
  /** Tells when a task that was made here gets the id that the service gave it. */
  renamed(listener: (from: string, to: string) => void): void;
  create(fields: Partial<TaskFields> & { title: string }): Promise<unknown>;
  update(id: string, patch: Partial<TaskFields>, at?: { version?: number }): Promise<unknown>;
  delete(id: string): Promise<unknown>;
  restore(id: string): Promise<unknown>;
}

export interface Live {
  link: Watched<LinkState>;
  tasks: LiveTasks;
  currencies: LiveRows<Currency>;
  /** What each currency was worth before its last change, as far as it was told. */
  previousRates: ReadonlyMap<string, string>;
  hear(listener: (event: Told) => void): void;
}

interface LiveOptions {
  access: Access;
  service: Service;
  speech: Speech;
  notices: Notices;
}

// What a token must allow to be told of a topic.
const TOPICS = [
  { topic: 'tasks', scope: 'tasks:read' },
  { topic: 'currencies', scope: 'currencies:read' },
  { topic: 'runs', scope: 'generator:run' },
] as const;
const LATE = 700; // ms after which a change is said not to be there yet
const RETRY = 1_000; // ms
const MOST_MISSED = 1_000; // are counted by kind

/** The live feed; it connects at once. */
export function createLive({ access, service, speech, notices }: LiveOptions): Live {
  const { words } = speech;
  const client = connect({ url: '/', token: () => access.get(), storage: localStorage, onError: () => {} });
  const link = watched<LinkState>({
    phase: 'connecting',
    position: undefined,
    head: undefined,
    lag: undefined,
  });
  const hearers = new Set<(event: Told) => void>();
  const previousRates = new Map<string, string>();
  let wasLive = false;
  let leftAt: number | undefined; // the position at which the connection was lost
  let lag: number | undefined;

  function phaseOf(): LinkState['phase'] {
    if (client.state === 'live') return 'live';
    if (client.state === 'denied') return 'denied';
    if (!navigator.onLine) return 'offline';
    return wasLive ? 'away' : 'connecting';
  }

  // Until the service has answered, a task that was made here has the id of its request.
  const made = new Map<string, string>();
  const since = new Map<string, number>(); // when each change was asked for
  const renamers = new Set<(from: string, to: string) => void>();
  function followNames(): void {
    const { pending } = client;
    for (const { id, steps } of pending)
      for (const step of steps.filter(({ op }) => op === 'create')) {
        const before = made.get(id) ?? step.id;
        made.set(id, step.id);
        if (before !== step.id) for (const renamer of renamers) renamer(before, step.id);
      }
    for (const { id } of pending)
      if (!since.has(id)) {
        since.set(id, performance.now());
        setTimeout(() => tasks.tell(), LATE + 50);
      }
    for (const id of since.keys()) if (!pending.some(request => request.id === id)) since.delete(id);
    for (const id of made.keys()) if (!pending.some(request => request.id === id)) made.delete(id);
  }

  function look(): void {
    followNames();
    const phase = phaseOf();
    const { position } = client;
    const before = link.value;
    const head = Math.max(position ?? 0, before.head ?? 0);
    if (phase === 'live' && before.phase !== 'live') returned(position);
    if (phase !== 'live' && before.phase === 'live') {
      leftAt = before.position;
      lag = undefined;
      if (phase === 'offline') notices.say(words.goneOffline);
    }
    const next = { phase, position, head: position === undefined ? before.head : head, lag };
    const names = Object.keys(next) as (keyof LinkState)[];
    if (names.some(name => next[name] !== before[name])) link.set(next);
  }

  // What came while it was away is told by kind; the rows themselves are caught up by the client.
  function returned(position: number | undefined): void {
    const from = leftAt;
    if (!wasLive || from === undefined || position === undefined) {
      wasLive = true;
      return;
    }
    void service
      .get<{ data: Told[]; head?: number }>(`/events?after=${from}&limit=${MOST_MISSED}`)
      .then(({ data, head = from + data.length }) => {
        link.set({ ...link.value, head: Math.max(head, link.value.head ?? 0) });
        const kinds = Map.groupBy(data, ({ type }) => words.types[type] ?? type);
        const told = [...kinds].map(([name, { length }]) => `${name}: ${speech.number(length)}`).join(' · ');
        const missed = speech.count(words.missed, head - from);
        notices.say(
          head === from
            ? words.back
            : `${words.backMissed} ${missed}. ${head - from > data.length ? '' : told}`,
        );
      })
      .catch(() => notices.say(words.backMissed));
  }

  // Where a token may not see everything, the topics that it may: so that no position seems to be missing.
  const seesAll = access.allows('events:read') || TOPICS.every(({ scope }) => access.allows(scope));
  const topics = seesAll
    ? [undefined]
    : TOPICS.filter(({ scope }) => access.allows(scope)).map(({ topic }) => topic);

  async function listen(topic: string | undefined): Promise<void> {
    for (;;) {
      try {
        const events = topic === undefined ? client.events() : client.events({ topic });
        for await (const event of events) take(event as unknown as Told);
      } catch (error) {
        if (error instanceof Problem && error.status === 410) {
          link.set({ ...link.value, head: undefined });
          notices.say(words.newLog);
        }
        await new Promise(resolve => setTimeout(resolve, RETRY));
      }
    }
  }

  function take(event: Told): void {
    const rate = event.data.previous?.rate;
    if (event.type === 'currency_updated' && typeof rate === 'string') previousRates.set(event.subject, rate);
    const late = Date.now() - Date.parse(event.time);
    lag = late >= -1_000 && late < 60_000 ? Math.max(0, late) : undefined; // clocks differ
    for (const hearer of hearers) hearer(event);
    look();
  }

  client.subscribe(look);
  addEventListener('online', look);
  addEventListener('offline', look);
  for (const topic of topics) void listen(topic);

  const rowsWith = <Row>(collection: Collection<Row>, scope: string) =>
    rowsOf({
      client,
      collection,
      moved: look,
      refusal: lacking(scope, speech),
      mayRead: access.allows(scope),
    });
  const tasks = rowsWith(client.collection('tasks') as unknown as Collection<Task>, 'tasks:read');
  return {
    link,
    tasks: {
      ...tasks,
      get items() {
        return tasks.items;
      },
      get ready() {
        return tasks.ready;
      },
      // What takes no longer than any change does is not worth a word.
      isPending: id =>
        client.pending.some(
          request =>
            request.steps.some(step => step.id === id) &&
            (link.value.phase !== 'live' || performance.now() - (since.get(request.id) ?? 0) >= LATE),
        ),
      renamed: listener => void renamers.add(listener),
      create: fields => client.tasks.create(fields),
      update: (id, patch, at) => client.tasks.update(id, patch, at),
      delete: id => client.tasks.delete(id),
      restore: id => client.tasks.restore(id),
    },
    currencies: rowsWith<Currency>(client.collection('currencies'), 'currencies:read'),
    previousRates,
    hear: listener => void hearers.add(listener),
  };
}

interface RowSource<Row> {
  client: Client;
  collection: Collection<Row>;
  moved(): void;
  /** What is said where they may not be read. */
  refusal: string;
  mayRead: boolean;
}

function rowsOf<Row>({
  client,
  collection,
  moved,
  refusal,
  mayRead,
}: RowSource<Row>): LiveRows<Row> & { tell(): void } {
  const listeners = new Set<() => void>();
  const tell = () => {
    moved();
    for (const listener of listeners) listener();
  };
  if (mayRead) collection.subscribe(tell);
  client.subscribe(tell);
  return {
    get items() {
      return collection.items;
    },
    get ready() {
      return collection.state === 'live' || collection.state === 'stale';
    },
    tell,
    refusal: mayRead ? undefined : refusal,
    watch: listener => void listeners.add(listener),
  };
}
