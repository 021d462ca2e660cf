// Taskwire for a page or a program: connect() gives events, collections that keep themselves up to date, and changes
// that show at once, all over one socket that is open while somebody looks.
import { type Collection, createCollection, type Dehydrated, type KeptCollection } from './collection.ts';
import { createEnvironment, type Options } from './environment.ts';
import { type EventQuery, iterateEvents } from './events.ts';
import { createFeed } from './feed.ts';
import { createOutbox, type Pending } from './outbox.ts';
import { createAsk } from './rest.ts';
import type {
  AnyRow,
  EventsOf,
  NewTask,
  Operation,
  Query,
  RowOf,
  State,
  Task,
  TaskPatch,
  TaskwireEvent,
} from './types.ts';

export type { Collection, CollectionState, Dehydrated, Snapshot } from './collection.ts';
export type { Options } from './environment.ts';
export type { EventQuery } from './events.ts';
export type { Pending, Step } from './outbox.ts';
export { Problem } from './rest.ts';
export type * from './types.ts';

/** How a collection is asked for, beside its query. */
interface CollectionQuery extends Query {
  /** What another client knew, to begin with. */
  from?: Dehydrated | undefined;
  /** Whether changes show before they are confirmed; they do. */
  isOptimistic?: boolean;
}

/** What is to be done with tasks. Each shows at once, and rejects, and shows no more, when it is refused. */
interface TaskChanges {
  create(task: NewTask): Promise<Task>;
  /** With a version: only if it is still that. */
  update(id: string, task: TaskPatch, guard?: { version?: number }): Promise<Task>;
  delete(id: string, guard?: { version?: number }): Promise<void>;
  restore(id: string): Promise<Task>;
}

/** A client of one service. */
export interface Client {
  readonly state: State;
  /** Everything up to here was heard of what is looked at; where to go on, together with `log`. */
  readonly position: number | undefined;
  readonly log: string | undefined;
  /** The changes that are not confirmed yet; the same array until something changes. */
  readonly pending: readonly Pending[];
  /** Calls back when `state` or `pending` has changed, until what it returns is called. */
  subscribe(act: () => void): () => void;
  /** Every event of a topic, in order, once, until the signal aborts. */
  events<Topic extends string>(
    query: EventQuery & { topic: Topic },
  ): AsyncGenerator<EventsOf<Topic>, void, undefined>;
  events(query?: EventQuery): AsyncGenerator<TaskwireEvent, void, undefined>;
  /** The rows of a topic that meet a query; asked for again, the same collection. */
  collection<Topic extends string>(topic: Topic, query?: CollectionQuery): Collection<RowOf<Topic>>;
  readonly tasks: TaskChanges;
  /** Several changes, all or none. */
  batch(operations: readonly Operation[]): Promise<(Task | null)[]>;
  /** What a collection knows, as JSON can hold it, for `from` elsewhere. */
  dehydrate<Row>(collection: Collection<Row>): Dehydrated<Row>;
  /** Ends everything; what is pending stays in the storage. */
  close(): void;
}

/** A client. It connects when somebody looks. */
export function connect(options: Options): Client {
  const env = createEnvironment(options);
  const ask = createAsk(env);
  const collections = new Map<string, KeptCollection>();
  const lookers = new Set<() => void>();
  const told = () => {
    for (const each of lookers) each();
  };
  const ofTasks = () => [...collections.values()].filter(({ topic }) => topic === 'tasks');

  const feed = createFeed(env, {
    event: event => outbox.event(event),
    // Not while rows are read anew: what was answered meanwhile may be in those that are still to be shown alone.
    told: () => ofTasks().some(({ state }) => state === 'stale') || outbox.told(),
    changed() {
      outbox.feedChanged(feed.state);
      told();
    },
  });
  const outbox = createOutbox({
    env,
    ask,
    isSynced: (id, version) => ofTasks().some(each => (each.versionOf(id) ?? 0) >= version),
    isFollowed: () => feed.follows('tasks'),
    changed() {
      for (const each of ofTasks()) each.touch();
      told();
    },
  });

  const push = async (step: Parameters<typeof outbox.push>[0][number]) => (await outbox.push([step]))[0];

  return {
    get state() {
      return feed.state;
    },
    get position() {
      return feed.position;
    },
    get log() {
      return feed.log;
    },
    get pending() {
      return outbox.pending;
    },
    subscribe(act) {
      lookers.add(act);
      return () => lookers.delete(act);
    },
    events: (query: EventQuery = {}) => iterateEvents(feed, ask, query) as never,
    collection(topic, { from, isOptimistic = true, ...query } = {}) {
      const key = JSON.stringify([topic, query, isOptimistic]);
      const overlay = isOptimistic && topic === 'tasks' ? outbox : undefined;
      if (!collections.has(key))
        collections.set(key, createCollection({ env, feed, ask, topic, query, from, overlay }));
      return collections.get(key) as unknown as Collection<never>;
    },
    tasks: {
      create: task => push({ op: 'create', task }) as Promise<never>,
      update: (id, task, { version } = {}) => push({ op: 'update', id, task, version }) as Promise<never>,
      delete: (id, { version } = {}) => push({ op: 'delete', id, version }) as Promise<never>,
      restore: id => push({ op: 'restore', id }) as Promise<never>,
    },
    batch: operations => outbox.push(operations) as Promise<(AnyRow | null)[]> as Promise<never>,
    dehydrate: collection => (collection as unknown as KeptCollection).dehydrate() as never,
    close() {
      env.close();
      outbox.close();
      for (const each of collections.values()) each.close();
      feed.close();
    },
  };
}
