// Events by the client: each once, in order, out of the log and then as they come.
import anyTest, { type TestFn } from 'ava';
import { clientOf } from '../helpers/client.ts';
import { type Context, withInstance } from '../helpers/instance.ts';

const test = anyTest.serial as unknown as TestFn<Context>;
withInstance(test);

test('events come from after a position on, out of the log and then as they happen', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  await psql.query(`INSERT INTO tasks (title) SELECT 'old ' || n FROM generate_series(1, 2500) AS n`);
  const client = clientOf(t as never, instance.address);
  const ending = new AbortController();
  const positions: number[] = [];
  for await (const event of client.events({ topic: 'tasks', after: 0, signal: ending.signal })) {
    positions.push(event.position);
    if (event.type === 'task_created' && event.data.task.title === 'the last') ending.abort();
    if (positions.length === 10)
      await psql.query(`INSERT INTO tasks (title) SELECT 'new ' || n FROM generate_series(1, 1500) AS n`);
    if (positions.length === 4000) await psql.query(`INSERT INTO tasks (title) VALUES ('the last')`);
  }
  t.deepEqual(
    positions,
    Array.from({ length: 4001 }, (_, index) => index + 1),
  );
});

test('a filter lets only its events through', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  const client = clientOf(t as never, instance.address);
  const events = client.events({ topic: 'tasks', type: ['task_updated', 'task_deleted'] });
  const first = events.next();
  const { rows } = await psql.query(`INSERT INTO tasks (title) VALUES ('x') RETURNING id`);
  await psql.query('UPDATE tasks SET priority = $2 WHERE id = $1', [rows[0].id, 'high']);
  const { value } = await first;
  t.is(value?.type, 'task_updated');
  t.is(value?.type === 'task_updated' && value.data.previous.priority, 'normal');
  await events.return();
});

test('a position that the log does not have is an error', async t => {
  const client = clientOf(t as never, t.context.instance.address);
  const events = client.events({ after: 1_000_000 });
  t.like(await t.throwsAsync(events.next()), { status: 410, reason: 'ahead' });
});
