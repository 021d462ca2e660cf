// What a client sees of the log that asks for a part of it.
import { randomUUID } from 'node:crypto';
import anyTest, { type TestFn } from 'ava';
import { type Context, withInstance } from '../helpers/instance.ts';
import { openSocket, type TestSocket } from '../helpers/socket.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

// What comes before the task that says that it is the last.
async function typesUntilEnd(socket: TestSocket, end: string): Promise<string[]> {
  const seen: string[] = [];
  for (let event = await socket.event(); event.data?.task?.title !== end; event = await socket.event()) {
    seen.push(`${event.type} ${event.data?.task?.title}`);
  }
  return seen;
}

test('a filtered socket hears what is in the filter, what enters it, and what leaves it', async t => {
  const { instance, database } = t.context;
  const label = randomUUID();
  const psql = await database.psql();
  const socket = openSocket(instance.address, `/ws/tasks?label=${label}&status=todo`);
  const { head } = await socket.next();
  const labels = `'{${label}}'`;
  await psql.query(`
    INSERT INTO tasks (title, labels) VALUES ('one', ${labels}), ('two', '{}');
    INSERT INTO tasks (title, labels, status) VALUES ('three', ${labels}, 'done');
    UPDATE tasks SET status = 'done' WHERE title = 'one' AND '${label}' = ANY (labels);
    UPDATE tasks SET description = 'out of sight' WHERE title = 'one' AND '${label}' = ANY (labels);
    UPDATE tasks SET status = 'todo' WHERE title = 'three' AND '${label}' = ANY (labels);
    DELETE FROM tasks WHERE '${label}' = ANY (labels);
    INSERT INTO tasks (title, labels) VALUES ('${label}', ${labels})`);
  const expected = ['task_created one', 'task_updated one', 'task_updated three', 'task_deleted three'];
  t.deepEqual(await typesUntilEnd(socket, label), expected);
  const later = openSocket(instance.address, `/ws/tasks?label=${label}&status=todo&after=${head}`);
  t.deepEqual(await typesUntilEnd(later, label), expected, 'and from the log the same');
  socket.drop();
  later.drop();
});

test('a filter that is repeated means any of its values', async t => {
  const { instance, database } = t.context;
  const title = randomUUID();
  const socket = openSocket(instance.address, '/ws/tasks?priority=high&priority=urgent&type=task_created');
  await socket.next();
  const psql = await database.psql();
  await psql.query(`
    INSERT INTO tasks (title, priority) VALUES ('${title} 1', 'high'), ('${title} 2', 'low'), ('${title} 3', 'urgent');
    UPDATE tasks SET description = 'x' WHERE title LIKE '${title} %';
    INSERT INTO tasks (title, priority) VALUES ('${title}', 'high')`);
  t.deepEqual(await typesUntilEnd(socket, title), [`task_created ${title} 1`, `task_created ${title} 3`]);
  socket.drop();
});

test('a subject can be followed alone, from the log and on', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  const title = randomUUID();
  const { rows } = await psql.query(
    `INSERT INTO tasks (title) SELECT '${title} ' || n FROM generate_series(1, 3) AS n RETURNING id`,
  );
  const id = rows[1].id;
  await psql.query(`UPDATE tasks SET status = 'done' WHERE title LIKE '${title}%'`);
  const socket = openSocket(instance.address, `/ws/tasks?subject=${id.toUpperCase()}&after=0`);
  t.is((await socket.event()).type, 'task_created');
  t.is((await socket.event()).type, 'task_updated');
  await psql.query(`DELETE FROM tasks WHERE title LIKE '${title}%'`);
  const deleted = await socket.event();
  t.deepEqual([deleted.type, deleted.subject], ['task_deleted', id]);
  socket.drop();
});

test('/ws/events hears every topic, each position once and in order', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  const socket = openSocket(instance.address, '/ws/events?after=0');
  const only = openSocket(instance.address, '/ws/events?topic=runs&type=run_queued&after=0');
  const title = randomUUID();
  await psql.query('SELECT queue_run($1)', ['task_generator']);
  await psql.query('INSERT INTO tasks (title) VALUES ($1)', [title]);
  const positions: number[] = [];
  for (let event = await socket.event(); ; event = await socket.event()) {
    positions.push(Number(event.position));
    if (event.data?.task?.title === title) break;
  }
  t.deepEqual(
    positions,
    positions.map((_, index) => index + 1),
  );
  t.is((await only.event()).type, 'run_queued');
  socket.drop();
  only.drop();
});

const faults: [path: string, named: RegExp][] = [
  ['/ws/tasks?status=open', /status .*todo/],
  ['/ws/tasks?type=currency_created', /type "currency_created"/],
  ['/ws/tasks?type=task_exploded', /type "task_exploded"/],
  ['/ws/tasks?subject=7', /subject/],
  ['/ws/tasks?color=red', /color/],
  ['/ws/tasks?label=', /label/],
  ['/ws/tasks?label=%00', /label/],
  ['/ws/tasks?label=%ff', /label must be percent-encoded UTF-8/],
  ['/ws/tasks?label=%', /label must be percent-encoded UTF-8/],
  ['/ws/tasks?snapshot=yes', /snapshot/],
  ['/ws/tasks?snapshot=true&after=0', /after contradicts snapshot/],
  ['/ws/tasks?after=-1', /after/],
  ['/ws/tasks?after=1&log=no', /log/],
  ['/ws/tasks?topic=tasks', /topic/],
  ['/ws/events?topic=nothing', /topic "nothing"/],
  ['/ws/events?status=todo', /status/],
  ['/ws/events?topic=runs&type=task_created', /type "task_created"/],
];
for (const [path, named] of faults) {
  test(`bad parameters are named and closed with 4400: ${path}`, async t => {
    const { code, reason } = await openSocket(t.context.instance.address, path).closed;
    t.is(code, 4400);
    t.regex(reason, named);
  });
}
