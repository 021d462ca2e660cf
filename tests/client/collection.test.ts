// Collections: the rows of a table, kept up to date.
import anyTest, { type TestFn } from 'ava';
import { clientOf, heard, listAll, watch } from '../helpers/client.ts';
import { type Context, withInstance } from '../helpers/instance.ts';
import { until } from '../helpers/until.ts';

const test = anyTest.serial as unknown as TestFn<Context>;
withInstance(test);

test('a collection shows what the list shows, in its order, and goes on doing so', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  await psql.query(`INSERT INTO tasks (title, priority, due_at, labels)
    SELECT 'task ' || n, (ARRAY['low', 'normal', 'high', 'urgent'])[n % 4 + 1],
      CASE WHEN n % 3 = 0 THEN now() + n * interval '1 hour' END, ARRAY['l' || n % 5]
    FROM generate_series(1, 300) AS n`);
  const client = clientOf(t as never, instance.address);
  const queries = [
    { path: '/tasks', query: {} },
    { path: '/tasks?sort=-priority', query: { sort: '-priority' } },
    { path: '/tasks?sort=due_at', query: { sort: 'due_at' } },
    { path: '/tasks?sort=-due_at', query: { sort: '-due_at' } },
    { path: '/tasks?sort=title&label=l1&label=l2', query: { sort: 'title', where: { label: ['l1', 'l2'] } } },
    {
      path: '/tasks?sort=priority&status=todo&priority=high',
      query: { sort: 'priority', where: { status: ['todo'], priority: 'high' } },
    },
  ];
  const open = queries.map(({ query }) => client.collection('tasks', query));
  for (const each of open) await watch(t as never, each);
  const compare = async () => {
    await heard(client, psql);
    for (const [index, { path }] of queries.entries())
      t.deepEqual(open[index]?.items, await listAll(instance.address, path), path);
  };
  await compare();
  await psql.query(`UPDATE tasks SET status = 'done', priority = 'high' WHERE title LIKE '%7'`);
  await psql.query(`DELETE FROM tasks WHERE title LIKE '%3'`);
  await psql.query(
    `INSERT INTO tasks (title, due_at) SELECT 'later ' || n, now() FROM generate_series(1, 50) AS n`,
  );
  await compare();
});

test('the items are the same array until something changes, and so is each row that stays', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  const client = clientOf(t as never, instance.address);
  const open = client.collection('tasks', { where: { label: 'still' } });
  const seen = await watch(t as never, open);
  await psql.query(`INSERT INTO tasks (title, labels) VALUES ('a', '{still}'), ('b', '{still}')`);
  await until(() => seen.at(-1)?.length === 2);
  const before = open.items;
  const [first] = before;
  const count = seen.length;
  await psql.query(`INSERT INTO tasks (title) VALUES ('of no concern')`);
  await heard(client, psql);
  t.is(open.items, before);
  t.is(open.snapshot(), open.snapshot());
  t.is(seen.length, count);
  await psql.query(`UPDATE tasks SET title = 'changed' WHERE id = $1`, [before[1]?.id]);
  await until(() => open.items !== before);
  t.is(open.items[0], first);
});

test('a change shows at once, and is the same row when it is confirmed', async t => {
  const client = clientOf(t as never, t.context.instance.address);
  const open = client.collection('tasks', { where: { label: 'mine' } });
  const seen = await watch(t as never, open);
  const made = client.tasks.create({ title: 'made here', labels: ['mine'] });
  t.deepEqual(
    open.items.map(({ title, version }) => ({ title, version })),
    [{ title: 'made here', version: 0 }],
  );
  t.is(client.pending.length, 1);
  const task = await made;
  t.is(task.version, 1);
  t.deepEqual(open.items, [task]);
  t.is(client.pending.length, 0);
  const changed = client.tasks.update(task.id, { status: 'done' }, { version: 1 });
  t.is(open.items[0]?.status, 'done');
  t.is((await changed).version, 2);
  await client.tasks.delete(task.id, { version: 2 });
  t.deepEqual(open.items, []);
  const again = await client.tasks.restore(task.id);
  t.deepEqual(open.items, [again]);
  for (const items of seen) t.true(items.length <= 1, 'never twice, by its old name and its new one');
});

test('a refusal rolls back, and says why', async t => {
  const client = clientOf(t as never, t.context.instance.address);
  const open = client.collection('tasks', { where: { label: 'refused' } });
  await watch(t as never, open);
  const task = await client.tasks.create({ title: 'one', labels: ['refused'] });
  const before = open.items;
  const stale = client.tasks.update(task.id, { title: 'two' }, { version: 7 });
  t.is(open.items[0]?.title, 'two');
  t.like(await t.throwsAsync(stale), { name: 'Problem', status: 412 });
  t.deepEqual(open.items, before);
  t.like(await t.throwsAsync(client.tasks.create({ title: '' })), { status: 422 });
  t.deepEqual(open.items, before);
});

test('a list can be looked at as it was, and comes back', async t => {
  const { instance } = t.context;
  const client = clientOf(t as never, instance.address);
  const open = client.collection('tasks', { where: { label: 'past' } });
  await watch(t as never, open);
  const task = await client.tasks.create({ title: 'before', labels: ['past'] });
  const then = open.position as number;
  await client.tasks.update(task.id, { title: 'after' });
  await open.at(then);
  t.is(open.state, 'past');
  t.is(open.items[0]?.title, 'before');
  await client.tasks.create({ title: 'not in the past', labels: ['past'] });
  t.is(open.items.length, 1);
  t.is(open.live().items.length, 2);
  t.is(open.state, 'live');
});

test('what one client knew another one begins with, and goes on from there', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  const one = clientOf(t as never, instance.address);
  const open = one.collection('currencies');
  await psql.query(
    `INSERT INTO currencies (currency, rate) VALUES ('USD', 83.51), ('EUR', 90.1), ('AUD', 9.25)`,
  );
  await watch(t as never, open);
  const known = JSON.parse(JSON.stringify(one.dehydrate(open)));
  await psql.query(`UPDATE currencies SET rate = 100 WHERE currency = 'USD'`);
  const other = clientOf(t as never, instance.address);
  const again = other.collection('currencies', { sort: '-rate', from: known });
  t.deepEqual(
    again.items.map(({ currency }) => currency),
    ['EUR', 'USD', 'AUD'],
  );
  await watch(t as never, again);
  await until(() => again.items[0]?.currency === 'USD');
  t.deepEqual(again.items, await listAll(instance.address, '/currencies?sort=-rate'));
});
