// The history of a task: every event of it, as sockets send them, nothing missing that was just written.
import ava, { type TestFn } from 'ava';
import { type Answer, ownApi, senderTo } from '../helpers/http.ts';
import { type Context, withInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';
import { sequence } from '../helpers/sql.ts';

const test = ava as TestFn<Context>;
withInstance(test);

const NOWHERE = '01a207cb-0000-7000-8000-000000000000';

interface Event {
  position: number;
  type: string;
  origin: string;
  requestid: string | null;
  data: { task: Record<string, unknown>; previous?: Record<string, unknown> };
}
const typesOf = (answer: Answer) => answer.body.data.map((event: Event) => event.type);

test('it is every event of the task, oldest first, also after its deletion', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'a' });
  await send('PATCH', `/tasks/${task.id}`, { title: 'b' });
  await send('PATCH', `/tasks/${task.id}`, { status: 'done' });
  await send('DELETE', `/tasks/${task.id}`);
  await send('POST', '/tasks', { title: 'another' });

  const answer = await send('GET', `/tasks/${task.id}/history`);
  t.is(answer.status, 200);
  t.deepEqual(typesOf(answer), ['task_created', 'task_updated', 'task_updated', 'task_deleted']);
  const events: Event[] = answer.body.data;
  t.deepEqual(events[0]?.data, { task });
  t.like(events[1]?.data.previous, { title: 'a', version: 1 });
  t.like(events[3]?.data.task, { title: 'b', status: 'done', version: 3 });
  const positions = events.map(({ position }) => position);
  t.deepEqual(
    positions,
    positions.toSorted((a, b) => a - b),
  );
  t.is(answer.body.next_cursor, null);
});

test('its events are those that sockets were sent', async t => {
  const send = senderTo(t.context.instance.address);
  const socket = openSocket(t.context.instance.address, '/ws/tasks');
  await socket.next();
  const { body: task } = await send('POST', '/tasks', { title: 'heard' });
  await send('PATCH', `/tasks/${task.id}`, { labels: ['"', 'Я'] });
  const heard = [];
  while (heard.length < 2) {
    const event = await socket.event();
    if (event.subject === task.id) heard.push(event);
  }
  socket.raw.close();
  t.deepEqual((await send('GET', `/tasks/${task.id}/history`)).body.data, heard);
});

test('what was just written is there at once', async t => {
  const send = senderTo(t.context.instance.address);
  await Promise.all(
    Array.from({ length: 40 }, async (_, n) => {
      const { body: task } = await send('POST', '/tasks', { title: `task ${n}` });
      const path = `/tasks/${task.id}`;
      t.deepEqual(typesOf(await send('GET', `${path}/history`)), ['task_created']);
      await send('PATCH', path, { title: 'changed' });
      t.is((await send('GET', `${path}/history`)).body.data.length, 2);
      await send('DELETE', path);
      t.is((await send('GET', `${path}/history`)).body.data.length, 3);
    }),
  );
});

test('a task that others change all the time has a history, too', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'x' });
  const writer = await t.context.database.psql();
  let reading = true;
  let written = 1;
  const writing = (async () => {
    for (; reading; written++)
      await writer.query('UPDATE tasks SET title = $1 WHERE id = $2', [`${written}`, task.id]);
  })();
  for (let look = 0; look < 20; look++) {
    const before = written;
    const { body } = await send('GET', `/tasks/${task.id}/history`);
    t.true(body.data.length >= Math.min(before, 1000));
  }
  reading = false;
  await writing;
});

test('it comes in pages', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'x' });
  for (const title of ['a', 'b', 'c', 'd']) await send('PATCH', `/tasks/${task.id}`, { title });
  const path = `/tasks/${task.id}/history`;
  const versions = (answer: Answer) => answer.body.data.map((event: Event) => event.data.task.version);
  const first = await send('GET', `${path}?limit=2`);
  t.deepEqual(versions(first), [1, 2]);
  t.is(first.headers.get('link'), `<${path}?limit=2&cursor=${first.body.next_cursor}>; rel="next"`);
  const second = await send('GET', `${path}?limit=2&cursor=${first.body.next_cursor}`);
  t.deepEqual(versions(second), [3, 4]);
  const last = await send('GET', `${path}?limit=2&cursor=${second.body.next_cursor}`);
  t.deepEqual(versions(last), [5]);
  t.is(last.body.next_cursor, null);
  t.is(last.headers.get('link'), null);
});

test('a page has a thousand events, and not more', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'x' });
  const session = await t.context.database.psql();
  await session.query(`DO $$ BEGIN
    FOR n IN 1..1000 LOOP UPDATE tasks SET title = n::text WHERE id = '${task.id}'; END LOOP;
  END $$`);
  const first = await send('GET', `/tasks/${task.id}/history`);
  t.is(first.body.data.length, 1000);
  const rest = await send('GET', `/tasks/${task.id}/history?cursor=${first.body.next_cursor}`);
  t.deepEqual(typesOf(rest), ['task_updated']);
});

test('a task that never was has none', async t => {
  const send = senderTo(t.context.instance.address);
  for (const id of [NOWHERE, 'x', '%00']) t.is((await send('GET', `/tasks/${id}/history`)).status, 404, id);
});

test('wrong parameters are named', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'x' });
  const list = await send('GET', '/tasks?limit=1');
  for (const [query, named] of [
    ['limit=0', 'limit'],
    ['limit=1001', 'limit'],
    ['cursor=x', 'cursor'],
    [`cursor=${list.body.next_cursor}`, 'cursor'],
    ['as_of=1', 'as_of'],
  ]) {
    const { status, body } = await send('GET', `/tasks/${task.id}/history?${query}`);
    t.is(status, 400, query);
    t.deepEqual(
      body.errors.map((error: { path: string }) => error.path),
      [named],
    );
  }
});

test('while nobody numbers, it says so rather than leave out what was written', async t => {
  const api = await ownApi(t);
  const { body: task } = await api.send('POST', '/tasks', { title: 'x' });
  const { status, headers, body } = await api.send('GET', `/tasks/${task.id}/history`);
  t.is(status, 503);
  t.is(headers.get('retry-after'), '1');
  t.is(body.type, '/problems/timeout');
  await sequence(api.psql);
  t.deepEqual(typesOf(await api.send('GET', `/tasks/${task.id}/history`)), ['task_created']);
});
