// Taskwire for TanStack DB: the options of a collection that is synced by it, and whose changes it takes.
import type { CollectionConfig, SyncConfig } from '@tanstack/db';
import type { Client, NewTask, Operation, Query, RowOf, TaskPatch } from './client.ts';

const WRITABLE: ReadonlySet<string> = new Set([
  'title',
  'description',
  'status',
  'priority',
  'due_at',
  'labels',
]);

/** What createCollection() of @tanstack/db takes. Tasks can be changed; all others are read only. */
export function taskwireCollectionOptions<Topic extends string>(
  client: Client,
  topic: Topic,
  query: Query = {},
): CollectionConfig<RowOf<Topic>, string> {
  type Row = RowOf<Topic>;
  type Changed = { transaction: { mutations: readonly Mutation[] } };
  // TanStack DB lays its own changes over the rows.
  const source = client.collection(topic, { ...query, isOptimistic: false });
  const getKey = (row: Row) => row.id as string;
  const sync: SyncConfig<Row, string>['sync'] = ({ begin, write, commit, markReady }) => {
    let known = new Map<string, Row>();
    let told: readonly Row[] | undefined;
    function bring(): void {
      const { items } = source;
      if (items === told) return;
      told = items;
      const now = new Map(items.map(row => [getKey(row), row]));
      begin();
      for (const [id, value] of known) if (!now.has(id)) write({ type: 'delete', value });
      for (const [id, value] of now) {
        const before = known.get(id);
        if (before !== value) write({ type: before ? 'update' : 'insert', value });
      }
      commit();
      known = now;
    }
    const stop = source.subscribe(bring);
    void source.ready.then(() => {
      bring();
      markReady();
    });
    return stop;
  };
  const send = async ({ transaction }: Changed) => {
    await client.batch(transaction.mutations.map(operationOf));
  };
  const handlers = topic === 'tasks' ? { onInsert: send, onUpdate: send, onDelete: send } : {};
  return { id: `taskwire ${topic} ${JSON.stringify(query)}`, getKey, sync: { sync }, ...handlers } as never;
}

interface Mutation {
  type: string;
  key: string;
  modified: object;
  changes: object;
}

function operationOf({ type, key, modified, changes }: Mutation): Operation {
  if (type === 'delete') return { op: 'delete', id: key };
  if (type === 'update') return { op: 'update', id: key, task: writableOf(changes) as TaskPatch };
  return { op: 'create', task: writableOf(modified) as NewTask };
}

const writableOf = (row: object) =>
  Object.fromEntries(Object.entries(row).filter(([name]) => WRITABLE.has(name)));
