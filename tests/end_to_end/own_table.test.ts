// A table made in psql, watched by one call, while instances are running: live at once, filters and snapshot too.
import test, { type TestFn } from 'ava';
import { createTestDatabase } from '../helpers/database.ts';
import { type Context, startInstance, withInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';

const it = test as TestFn<Context>;
withInstance(it);

it('a table made in psql is live on every running instance after one call', async t => {
  const { database, instance } = t.context;
  const other = await startInstance(database.url);
  t.teardown(() => other.stop());
  const early = openSocket(instance.address, '/ws/events');
  await early.next();

  const psql = await database.psql();
  await psql.query(`CREATE TABLE my_table (id integer PRIMARY KEY, price numeric(10, 2), at timestamptz)`);
  await psql.query(`INSERT INTO my_table VALUES (1, 9.5, '2026-11-23 08:38:12.5+03')`);
  await psql.query(`SELECT feed.watch('my_table', topic => 'my_things', entity => 'thing')`);
  const first = await early.event();
  t.like(first, { type: 'thing_created', source: '/my_things', subject: '1', origin: 'psql' });
  t.deepEqual(first.data, { thing: { id: 1, price: '9.50', at: '2026-11-23T05:38:12.500000Z' } });

  const byTopic = openSocket(other.address, '/ws/events?topic=my_things&snapshot=true');
  const byType = openSocket(other.address, '/ws/events?type=thing_updated');
  const bySubject = openSocket(instance.address, '/ws/events?topic=my_things&subject=2');
  const resumed = openSocket(other.address, '/ws/events?topic=my_things&after=0');
  await Promise.all([byTopic, byType, bySubject, resumed].map(socket => socket.next()));
  const snapshot = { type: 'snapshot', topic: 'my_things', data: [first.data?.thing], last: true };
  t.like(await byTopic.next(), snapshot as object);

  await psql.query(`INSERT INTO tasks (title) VALUES ('something else')`);
  await psql.query(`INSERT INTO my_table VALUES (2, 1)`);
  await psql.query('ALTER TABLE my_table ADD COLUMN colour text');
  await psql.query(`UPDATE my_table SET colour = 'red' WHERE id = 2`);
  await psql.query('DELETE FROM my_table WHERE id = 1');

  const told = async (socket: ReturnType<typeof openSocket>, count: number) =>
    (await socket.events(count)).map(({ type, subject }) => `${type} ${subject}`);
  const since = ['thing_created 2', 'thing_updated 2', 'thing_deleted 1'];
  t.deepEqual(await told(byTopic, 3), since);
  t.deepEqual(await told(byType, 1), ['thing_updated 2']);
  t.deepEqual(await told(bySubject, 2), since.slice(0, 2));
  t.deepEqual(await told(resumed, 4), ['thing_created 1', ...since]);
  t.deepEqual(
    (await early.events(4)).map(({ type }) => type),
    ['task_created', 'thing_created', 'thing_updated', 'thing_deleted'],
  );
  t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);
});

it('a table that has lost its primary key takes no other topic’s snapshot away, and says so of its own', async t => {
  const database = await createTestDatabase(); // the others look at every topic of theirs
  const instance = await startInstance(database.url);
  t.teardown(async () => {
    await instance.stop();
    await database.drop();
  });
  const psql = await database.psql();
  await psql.query(`CREATE TABLE loose (id integer PRIMARY KEY); SELECT feed.watch('loose', 'loose_things', 'loose_thing');
    ALTER TABLE loose DROP CONSTRAINT loose_pkey`);
  const all = openSocket(instance.address, '/ws/events?snapshot=true');
  await all.next();
  const topics = new Set<unknown>();
  while (topics.size < 3) topics.add((await all.next()).topic);
  t.deepEqual([...topics].sort(), ['currencies', 'runs', 'tasks']);
  const own = await openSocket(instance.address, '/ws/events?topic=loose_things&snapshot=true').closed;
  t.is(own.code, 4400);
  t.regex(own.reason, /^snapshot: there is none of loose_things, whose table lost its primary key$/);
  await psql.query('ALTER TABLE loose ADD PRIMARY KEY (id)');
  const again = openSocket(instance.address, '/ws/events?topic=loose_things&snapshot=true');
  await again.next();
  t.like(await again.next(), { type: 'snapshot', topic: 'loose_things', last: true });
});

it('a topic that has ended is told empty, and is none to ask for', async t => {
  const { database, instance } = t.context;
  const psql = await database.psql();
  await psql.query(`CREATE TABLE brief (id integer PRIMARY KEY); INSERT INTO brief VALUES (1)`);
  await psql.query(`SELECT feed.watch('brief', 'briefs', 'brief')`);
  // From the beginning: it may come before the row has its position, and would hear of it, or after.
  const socket = openSocket(instance.address, '/ws/events?topic=briefs&after=0');
  await socket.next();
  await psql.query(`SELECT feed.unwatch('briefs')`);
  t.like(await socket.event(), { type: 'brief_created', subject: '1' });
  t.like(await socket.event(), { type: 'brief_deleted', subject: '1' });
  const late = openSocket(instance.address, '/ws/events?topic=briefs');
  t.like(await late.closed, { code: 4400 });
});
