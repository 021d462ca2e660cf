// What a client of /ws/tasks may rely on.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import anyTest, { type TestFn } from 'ava';
import { createTestDatabase } from '../helpers/database.ts';
import { type Context, startInstance, withInstance } from '../helpers/instance.ts';
import { openSocket, type TestSocket } from '../helpers/socket.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

// Tests of this file share one log, so each follows its own tasks by a title nobody else has.
async function eventsOf(socket: TestSocket, title: string, count: number) {
  const found = [];
  while (found.length < count) {
    const event = await socket.event();
    if (String(event.data?.task?.title).startsWith(title)) found.push(event);
  }
  return found;
}

test('an INSERT by psql reaches a socket as a CloudEvent with the whole row', async t => {
  const { instance, database } = t.context;
  const socket = openSocket(instance.address, '/ws/tasks');
  const ready = await socket.next();
  t.is(ready.type, 'ready');
  t.regex(String(ready.log), /^[0-9a-f-]{36}$/);
  const psql = await database.psql();
  const title = randomUUID();
  const { rows } = await psql.query('INSERT INTO tasks (title) VALUES ($1) RETURNING id', [title]);
  const [event] = await eventsOf(socket, title, 1);
  t.is(event?.specversion, '1.0');
  t.is(event?.type, 'task_created');
  t.is(event?.origin, 'psql');
  t.is(event?.subject, rows[0].id);
  t.true(Number(event?.position) > Number(ready.head));
  t.deepEqual(Object.keys(event?.data?.task ?? {}), [
    'id', 'title', 'description', 'status', 'priority', 'due_at', 'labels', 'source', 'external_id',
    'created_at', 'updated_at', 'completed_at', 'version',
  ]); // biome-ignore format: a list
  socket.drop();
});

test('a rolled-back INSERT never reaches a socket', async t => {
  const { instance, database } = t.context;
  const socket = openSocket(instance.address, '/ws/tasks');
  await socket.next();
  const psql = await database.psql();
  const title = randomUUID();
  await psql.query('BEGIN');
  await psql.query('INSERT INTO tasks (title) VALUES ($1)', [`${title} never`]);
  await psql.query('ROLLBACK');
  await psql.query('INSERT INTO tasks (title) VALUES ($1)', [`${title} after`]);
  const [event] = await eventsOf(socket, title, 1);
  t.is(event?.data?.task?.title, `${title} after`);
  socket.drop();
});

test('an UPDATE tells the old values of what changed; one that changes nothing is no event', async t => {
  const { instance, database } = t.context;
  const socket = openSocket(instance.address, '/ws/tasks');
  await socket.next();
  const psql = await database.psql();
  const title = randomUUID();
  await psql.query('INSERT INTO tasks (title) VALUES ($1)', [title]);
  await psql.query('UPDATE tasks SET title = title WHERE title = $1', [title]);
  await psql.query(`UPDATE tasks SET status = 'done' WHERE title = $1`, [title]);
  await psql.query('DELETE FROM tasks WHERE title = $1', [title]);
  const [, updated, deleted] = await eventsOf(socket, title, 3);
  t.is(updated?.type, 'task_updated');
  t.deepEqual(Object.keys(updated?.data?.previous ?? {}), [
    'status',
    'updated_at',
    'completed_at',
    'version',
  ]);
  t.is(updated?.data?.previous?.status, 'todo');
  t.is(updated?.data?.previous?.version, 1);
  t.is(updated?.data?.task?.version, 2);
  t.is(deleted?.type, 'task_deleted');
  t.deepEqual(deleted?.data?.task, updated?.data?.task);
  socket.drop();
});

test('after=N gives everything after N, then goes on live', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  const first = openSocket(instance.address, '/ws/tasks');
  await first.next();
  const title = randomUUID();
  await psql.query('INSERT INTO tasks (title) SELECT $1 || g FROM generate_series(1, 700) AS g', [title]);
  const live = await eventsOf(first, title, 700);
  const second = openSocket(instance.address, `/ws/tasks?after=${live[99]?.position}`);
  t.is((await second.next()).type, 'ready');
  t.deepEqual(await eventsOf(second, title, 600), live.slice(100));
  await psql.query('INSERT INTO tasks (title) VALUES ($1)', [`${title} live`]);
  t.is((await eventsOf(second, title, 1))[0]?.data?.task?.title, `${title} live`);
  first.drop();
  second.drop();
});

test('a position that cannot be resumed from is answered with reset and 4410', async t => {
  const { instance } = t.context;
  for (const [query, reason] of [
    ['after=999999999', 'ahead'],
    [`after=0&log=${randomUUID()}`, 'other_log'],
  ]) {
    const socket = openSocket(instance.address, `/ws/tasks?${query}`);
    t.like(await socket.next(), { type: 'reset', reason });
    t.is((await socket.closed).code, 4410);
  }
});

test('a log named with after is accepted when it is this one', async t => {
  const { instance } = t.context;
  const first = openSocket(instance.address, '/ws/tasks');
  const { log } = await first.next();
  const second = openSocket(instance.address, `/ws/tasks?after=0&log=${log}`);
  t.is((await second.next()).type, 'ready');
  first.drop();
  second.drop();
});

for (const [query, named] of [
  ['after=-1', 'after'],
  ['after=x', 'after'],
  ['after=1.5', 'after'],
  ['after=', 'after'],
  ['after=1&after=2', 'after'],
  ['log=7', 'log'],
  ['color=red', 'color'],
]) {
  test(`bad parameters are named and closed with 4400: ${query}`, async t => {
    const socket = openSocket(t.context.instance.address, `/ws/tasks?${query}`);
    const { code, reason } = await socket.closed;
    t.is(code, 4400);
    t.true(reason.includes(String(named)), reason);
  });
}

test('a browser page of another origin is not allowed, one of the same origin is', async t => {
  const { address } = t.context.instance;
  const other = openSocket(address, '/ws/tasks', { origin: 'https://elsewhere.example' });
  t.is((await other.closed).code, 1008);
  const same = openSocket(address, '/ws/tasks', { origin: address });
  t.is((await same.next()).type, 'ready');
  same.drop();
});

test('a name that is made to lead here, as by DNS rebinding, opens no socket; one of this machine does', async t => {
  const { address } = t.context.instance;
  const { port } = new URL(address);
  const rebound = `elsewhere.example:${port}`;
  const other = openSocket(address, '/ws/tasks', { host: rebound, origin: `http://${rebound}` });
  t.like(await other.closed, {
    code: 1008,
    reason: `the host ${rebound} is not this machine: name its origin in ALLOWED_ORIGINS to let it be asked for`,
  });
  for (const host of [`localhost:${port}`, `tasks.localhost:${port}`]) {
    const own = openSocket(address, '/ws/tasks', { host, origin: `http://${host}` });
    t.is((await own.next()).type, 'ready');
    own.drop();
  }
});

test('a frame that is too big closes its own socket with 1009 and no other', async t => {
  const { instance, database } = t.context;
  const [big, other] = [openSocket(instance.address, '/ws/tasks'), openSocket(instance.address, '/ws/tasks')];
  await Promise.all([big.next(), other.next()]);
  big.raw.send('x'.repeat(1024 * 1024));
  t.is((await big.closed).code, 1009);
  const title = randomUUID();
  const psql = await database.psql();
  await psql.query('INSERT INTO tasks (title) VALUES ($1)', [title]);
  t.is((await eventsOf(other, title, 1)).length, 1);
  other.drop();
});

test('nothing a client sends changes anything', async t => {
  const { instance, database } = t.context;
  const socket = openSocket(instance.address, '/ws/tasks');
  await socket.next();
  const psql = await database.psql();
  const title = randomUUID();
  const { rows } = await psql.query('INSERT INTO tasks (title) VALUES ($1) RETURNING id', [title]);
  await eventsOf(socket, title, 1);
  const messages = [
    '{',
    `{"type":"task_deleted","subject":"${rows[0].id}"}`,
    '',
    '\u0000',
    'DELETE FROM tasks',
  ];
  for (const message of messages) socket.raw.send(message);
  const pong = once(socket.raw, 'pong'); // the messages before it have been read
  socket.raw.ping();
  await pong;
  t.is((await psql.query('SELECT version FROM tasks WHERE id = $1', [rows[0].id])).rows[0]?.version, '1');
  t.is((await psql.query('SELECT FROM feed.staged WHERE subject = $1', [rows[0].id])).rowCount, 1);
  socket.drop();
});

test('a request that would rather be HTTP/2 is answered as it is', async t => {
  const { port } = new URL(t.context.instance.address);
  const client = connect(Number(port), '127.0.0.1');
  client.write(
    'GET /tasks HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n',
  );
  let answer = '';
  for await (const data of client) answer += data;
  t.regex(answer, /^HTTP\/1\.1 200 /);
});

test('TRUNCATE tells one deletion per row', async t => {
  // On a log of its own, for it takes everybody's tasks away.
  const database = await createTestDatabase();
  const instance = await startInstance(database.url);
  const psql = await database.psql();
  await psql.query(`INSERT INTO tasks (title) SELECT 'task ' || g FROM generate_series(1, 25) AS g`);
  const earlier = openSocket(instance.address, '/ws/tasks');
  await earlier.next();
  earlier.drop();
  const refused = openSocket(instance.address, '/ws/tasks?color=red');
  t.is((await refused.closed).code, 4400);
  const socket = openSocket(instance.address, '/ws/tasks?after=0');
  await socket.events(25);
  await psql.query('TRUNCATE tasks');
  const deleted = await socket.events(25);
  t.true(deleted.every(event => event.type === 'task_deleted'));
  t.is(new Set(deleted.map(event => event.subject)).size, 25);
  t.is(new Set(deleted.map(event => event.transaction)).size, 1);
  await instance.stop();
  t.is((await socket.closed).code, 1001);
  await database.drop();
});
