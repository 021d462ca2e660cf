// Deleted tasks come back: under their id, as they last were, once, and as an event like any other.
import ava, { type TestFn } from 'ava';
import { ownApi, senderTo } from '../helpers/http.ts';
import { type Context, withInstance } from '../helpers/instance.ts';

const test = ava as TestFn<Context>;
withInstance(test);

const NOWHERE = '01a207cb-0000-7000-8000-000000000000';

test('a task comes back as it last was, under its id, and its version goes on', async t => {
  const send = senderTo(t.context.instance.address);
  const fields = { title: 'back', description: 'd', priority: 'high', labels: ['x'], status: 'done' };
  const { body: task } = await send('POST', '/tasks', { ...fields, due_at: '2026-01-01T00:00:00Z' });
  const { body: last } = await send('PATCH', `/tasks/${task.id}`, { description: 'changed' });
  await send('DELETE', `/tasks/${task.id}`);

  const { status, headers, body } = await send('POST', `/tasks/${task.id}/restore`);
  t.is(status, 201);
  t.is(headers.get('location'), `/tasks/${task.id}`);
  t.is(headers.get('etag'), '"3"');
  t.deepEqual(body, { ...last, version: 3, updated_at: body.updated_at });
  t.true(body.updated_at > last.updated_at);
  t.deepEqual((await send('GET', `/tasks/${task.id}`)).body, body);
});

test('it is one task_created event of that request', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'a' });
  await send('DELETE', `/tasks/${task.id}`);
  const { body: back } = await send('POST', `/tasks/${task.id}/restore`, undefined, {
    'X-Request-Id': 'undo-1',
  });
  const { body } = await send('GET', `/tasks/${task.id}/history`);
  t.is(body.data.length, 3);
  t.like(body.data[2], { type: 'task_created', origin: 'rest', requestid: 'undo-1', data: { task: back } });
});

test('deleted and restored again and again, each time the last state comes back', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: '0' });
  for (let time = 1; time <= 15; time++) {
    await send('PATCH', `/tasks/${task.id}`, { title: `${time}` });
    await send('DELETE', `/tasks/${task.id}`);
    const { body } = await send('POST', `/tasks/${task.id}/restore`);
    t.like(body, { title: `${time}`, version: 1 + 2 * time });
  }
});

test('a task that is deleted and not in the log yet can be restored', async t => {
  const api = await ownApi(t);
  const { body: task } = await api.send('POST', '/tasks', { title: 'a' });
  await api.send('PATCH', `/tasks/${task.id}`, { title: 'b' });
  await api.send('DELETE', `/tasks/${task.id}`);
  const { status, body } = await api.send('POST', `/tasks/${task.id}/restore`);
  t.is(status, 201);
  t.like(body, { title: 'b', version: 3 });
});

test('what psql deleted or truncated comes back, too', async t => {
  const api = await ownApi(t);
  const [a, b] = [NOWHERE, NOWHERE.replace('a', 'b')];
  await api.psql.query(
    `INSERT INTO tasks (id, title, source, external_id) VALUES ('${a}', 'a', 's', '1'), ('${b}', 'b', NULL, NULL)`,
  );
  await api.psql.query(`DELETE FROM tasks WHERE title = 'a'`);
  await api.psql.query('TRUNCATE tasks');
  t.like((await api.send('POST', `/tasks/${a.toUpperCase()}/restore`)).body, {
    title: 'a',
    source: 's',
    version: 2,
  });
  t.like((await api.send('POST', `/tasks/${b}/restore`)).body, { title: 'b', version: 2 });
  t.deepEqual((await api.psql.query('SELECT * FROM feed.verify()')).rows, []);
});

test('a task that exists is not restored', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'a' });
  for (const id of [task.id]) {
    const { status, body } = await send('POST', `/tasks/${id}/restore`);
    t.is(status, 409);
    t.like(body, { type: '/problems/conflict', detail: 'the task exists' });
  }
  t.is((await send('GET', `/tasks/${task.id}/history`)).body.data.length, 1);
});

test('of many who restore a task at once one does, the others conflict', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'a' });
  await send('DELETE', `/tasks/${task.id}`);
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => send('POST', `/tasks/${task.id}/restore`)),
  );
  const statuses = answers.map(({ status }) => status).toSorted();
  t.deepEqual(statuses, [201, ...Array.from({ length: 19 }, () => 409)]);
  t.is((await send('GET', `/tasks/${task.id}/history`)).body.data.length, 3);
});

test('restored, changed and deleted by many at once, no change is undone', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'a' });
  await Promise.all(
    Array.from({ length: 8 }, async (_, actor) => {
      for (let step = 0; step < 15; step++) {
        await send('DELETE', `/tasks/${task.id}`);
        await send('POST', `/tasks/${task.id}/restore`);
        await send('PATCH', `/tasks/${task.id}`, { title: `${actor} ${step}` });
      }
    }),
  );
  const { body } = await send('GET', `/tasks/${task.id}/history`);
  let title = 'a';
  for (const { type, data } of body.data) {
    if (type !== 'task_updated') t.is(data.task.title, title);
    title = data.task.title;
  }
  const versions = body.data.filter(({ type }: { type: string }) => type !== 'task_deleted');
  t.deepEqual(
    versions.map(({ data }: { data: { task: { version: number } } }) => data.task.version),
    versions.map((_: unknown, index: number) => index + 1),
  );
});

test('what never was cannot be restored', async t => {
  const send = senderTo(t.context.instance.address);
  for (const id of [NOWHERE, 'x', '%00']) t.is((await send('POST', `/tasks/${id}/restore`)).status, 404, id);
  const session = await t.context.database.psql();
  const { rows } = await session.query('SELECT FROM feed.last_versions WHERE subject = $1', [NOWHERE]);
  t.is(rows.length, 0);
});

test('a task whose source and external_id another one has taken cannot come back', async t => {
  const send = senderTo(t.context.instance.address);
  const session = await t.context.database.psql();
  const insert = `INSERT INTO tasks (title, source, external_id) VALUES ('x', 's', '1') RETURNING id`;
  const [first] = (await session.query(insert)).rows;
  await send('DELETE', `/tasks/${first.id}`);
  await session.query(insert);
  const { status, body } = await send('POST', `/tasks/${first.id}/restore`);
  t.is(status, 409);
  t.is(body.detail, 'another task has its source and external_id');
});

test('a body is not looked at, parameters are refused', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'a' });
  await send('DELETE', `/tasks/${task.id}`);
  t.is((await send('POST', `/tasks/${task.id}/restore?force=true`)).status, 400);
  t.is((await send('POST', `/tasks/${task.id}/restore`, { title: 'ignored' })).body.title, 'a');
});
