// Changes that are made while there is no network.
import anyTest, { type TestFn } from 'ava';
import { createCable } from '../helpers/cable.ts';
import { clientOf, listAll, watch } from '../helpers/client.ts';
import { type Context, withInstance } from '../helpers/instance.ts';
import { until } from '../helpers/until.ts';

const test = anyTest.serial as unknown as TestFn<Context>;
withInstance(test);

function createStorage(): Storage {
  const items = new Map<string, string>();
  return {
    get length() {
      return items.size;
    },
    key: index => [...items.keys()][index] ?? null,
    getItem: key => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: key => void items.delete(key),
    clear: () => items.clear(),
  };
}

test('changes without a network are kept when the page is closed, and made once, in their order, by the next', async t => {
  const { address } = t.context.instance;
  const cable = await createCable(new URL(address));
  const url = new URL(cable.through('http://127.0.0.1/')).origin;
  const storage = createStorage();
  const one = clientOf(t as never, url, { storage });
  const query = { where: { label: 'offline' }, sort: 'title' };
  const open = one.collection('tasks', query);
  await watch(t as never, open);
  const task = await one.tasks.create({ title: 'a', labels: ['offline'] });
  cable.cut();
  void one.tasks.update(task.id, { title: 'b' }, { version: 1 });
  void one.tasks.update(task.id, { priority: 'high' }, { version: 1 });
  void one.tasks.create({ title: 'c', labels: ['offline'] });
  const [, made] = open.items;
  void one.tasks.update(made?.id ?? '', { title: 'd' });
  const wanted = [
    ['b', 'high'],
    ['d', 'normal'],
  ];
  t.deepEqual(
    open.items.map(({ title, priority }) => [title, priority]),
    wanted,
  );
  t.is(one.pending.length, 4);
  const ids = one.pending.map(({ id }) => id);
  one.close();

  cable.mend();
  const other = clientOf(t as never, url, { storage });
  t.deepEqual(
    other.pending.map(({ id }) => id),
    ids,
  );
  const again = other.collection('tasks', query);
  await watch(t as never, again);
  await until(() => other.pending.length === 0);
  t.deepEqual(
    again.items.map(({ title, priority }) => [title, priority]),
    wanted,
  );
  t.deepEqual(again.items, await listAll(address, '/tasks?label=offline&sort=title'));
  t.deepEqual(
    again.items.map(({ version }) => version),
    [3, 2],
  );
  t.is(storage.length, 0);
});

test('an answer that is lost does no harm: what is sent again has happened once', async t => {
  const { address } = t.context.instance;
  const cable = await createCable(new URL(address));
  const url = new URL(cable.through('http://127.0.0.1/')).origin;
  const client = clientOf(t as never, url);
  const open = client.collection('tasks', { where: { label: 'lost' } });
  await watch(t as never, open);
  const made = client.tasks.create({ title: 'once', labels: ['lost'] });
  // Committed, and cut off, before the answer or after it: the client cannot know.
  await until(async () => (await listAll(address, '/tasks?label=lost')).length === 1);
  cable.cut();
  cable.mend();
  t.is((await made).version, 1);
  t.is((await client.tasks.update((await made).id, { title: 'twice' }, { version: 1 })).version, 2);
  t.is((await listAll(address, '/tasks?label=lost')).length, 1);
});

test('a new log is taken up beside the old rows, and tells only what differs', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  const client = clientOf(t as never, instance.address);
  const open = client.collection('tasks', { where: { label: 'log' }, sort: 'title' });
  await client.batch(['a', 'b', 'c'].map(title => ({ op: 'create', task: { title, labels: ['log'] } })));
  const seen = await watch(t as never, open);
  const before = open.items;
  const count = seen.length;
  const { log } = client;
  await psql.query('SELECT feed.new_log()');
  await psql.query(`INSERT INTO tasks (title) VALUES ('the first of the new log')`);
  await until(() => client.log !== log && open.state === 'live');
  t.is(open.items, before);
  t.true(seen.slice(count).every(items => items === before));
});
