// Tasks over REST as a client meets them: what is made, read, changed and deleted, and what the log says of it.
import test from 'ava';
import { sql } from 'slonik';
import { z } from 'zod';
import { ownApi, withApi } from '../helpers/http.ts';
import { until } from '../helpers/until.ts';

const api = withApi(test);

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;
const NOWHERE = '/tasks/01a207cb-0000-7000-8000-000000000000';

interface Staged {
  type: string;
  origin: string;
  requestid: string | null;
  previous: Record<string, unknown> | null;
}

async function eventsOf(id: string): Promise<Staged[]> {
  const { rows } = await api.psql.query<Staged>(
    'SELECT type, origin, requestid, previous FROM feed.staged WHERE subject = $1 ORDER BY id',
    [id],
  );
  return rows;
}

async function createTask(body: Record<string, unknown> = {}) {
  const answer = await api.send('POST', '/tasks', { title: 'a task', ...body });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return { path: `/tasks/${answer.body.id}`, ...answer.body };
}

test('a task needs only a title and gets its defaults', async t => {
  const { status, headers, body } = await api.send('POST', '/tasks', { title: '  buy milk\n' });
  t.is(status, 201);
  t.regex(body.id, UUID);
  t.regex(body.created_at, TIME);
  t.is(body.updated_at, body.created_at);
  t.like(body, { title: 'buy milk', description: null, status: 'todo', priority: 'normal', due_at: null });
  t.like(body, { labels: [], source: null, external_id: null, completed_at: null, version: 1 });
  t.is(headers.get('location'), `/tasks/${body.id}`);
  t.is(headers.get('etag'), '"1"');
  t.is(headers.get('content-type'), 'application/json; charset=utf-8');
  t.is(headers.get('x-content-type-options'), 'nosniff');
});

test('a task keeps everything that it was created with', async t => {
  const task = {
    title: 'Отчёт 😀 "quoted" \\ back',
    description: 'line one\nline two\u2028',
    status: 'in_progress',
    priority: 'urgent',
    labels: ['a,b', '{c}', 'NULL', ' "d" '],
  };
  const { body } = await api.send('POST', '/tasks', { ...task, due_at: '2026-03-01T05:00:00.123456+05:30' });
  t.like(body, { ...task, due_at: '2026-02-28T23:30:00.123456Z' });
  t.deepEqual((await api.send('GET', `/tasks/${body.id}`)).body, body);
});

test('the row in psql, the answer and the event are one text', async t => {
  const response = await api.request('/tasks', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: '{"title":"one text","labels":["x"]}',
  });
  const text = await response.text();
  const { rows } = await api.psql.query<{ event: string; row: string }>(
    `SELECT s.data::text AS event, feed.render(t)::text AS row
     FROM feed.staged AS s JOIN tasks AS t ON t.id::text = s.subject WHERE s.subject = $1`,
    [JSON.parse(text).id],
  );
  t.deepEqual(rows, [{ event: text, row: text }]);
});

test('a task created as done is completed', async t => {
  const task = await createTask({ status: 'done' });
  t.regex(task.completed_at, TIME);
  const { body } = await api.send('PATCH', task.path, { status: 'todo' });
  t.is(body.completed_at, null);
});

test('a patch changes what it names, clears what it nulls and leaves the rest', async t => {
  const task = await createTask({ description: 'd', due_at: '2026-01-01T00:00:00Z', labels: ['a', 'b'] });
  const { status, headers, body } = await api.send('PATCH', task.path, {
    description: null,
    labels: ['b', 'c'],
    due_at: null,
  });
  t.is(status, 200);
  t.is(headers.get('etag'), '"2"');
  t.like(body, { title: 'a task', description: null, labels: ['b', 'c'], due_at: null, version: 2 });
  t.deepEqual((await api.send('GET', task.path)).body, body);
});

test('a patch may be application/merge-patch+json', async t => {
  const task = await createTask();
  const headers = { 'Content-Type': 'application/merge-patch+json' };
  const { status, body } = await api.send('PATCH', task.path, { priority: 'high' }, headers);
  t.is(status, 200);
  t.is(body.priority, 'high');
});

test('an empty patch changes nothing and makes no event', async t => {
  const task = await createTask();
  const { status, headers, body } = await api.send('PATCH', task.path, {});
  t.is(status, 200);
  t.is(headers.get('etag'), '"1"');
  t.is(body.updated_at, task.updated_at);
  t.is((await api.send('PATCH', task.path, { title: ' a task ' })).body.version, 1);
  t.is((await eventsOf(task.id)).length, 1);
  t.is((await api.send('PATCH', task.path, {}, { 'If-Match': '"9"' })).status, 412);
});

test('a deleted task is gone', async t => {
  const task = await createTask();
  const { status, body } = await api.send('DELETE', task.path);
  t.is(status, 204);
  t.is(body, undefined);
  for (const method of ['GET', 'DELETE']) t.is((await api.send(method, task.path)).status, 404);
  t.is((await api.send('PATCH', task.path, {})).status, 404);
});

test('a task that was never there is 404, whatever If-Match says', async t => {
  for (const headers of [{}, { 'If-Match': '"1"' }, { 'If-Match': '*' }]) {
    t.is((await api.send('GET', NOWHERE, undefined, headers)).status, 404);
    t.is((await api.send('PATCH', NOWHERE, { title: 'x' }, headers)).status, 404);
    t.is((await api.send('DELETE', NOWHERE, undefined, headers)).status, 404);
  }
});

test('an id that is not a UUID is 404', async t => {
  for (const id of [
    '1',
    'abc',
    '%00',
    '%E0%A4%A',
    '%ff',
    '%',
    'a%zz',
    '..%2f..',
    '01a207cb-0000-7000-8000-00000000000g',
  ]) {
    t.is((await api.send('GET', `/tasks/${id}`)).status, 404, id);
    t.is((await api.send('PATCH', `/tasks/${id}`, {})).status, 404, id);
    t.is((await api.send('DELETE', `/tasks/${id}`)).status, 404, id);
  }
});

test('the id may be written in capitals', async t => {
  const task = await createTask();
  t.is((await api.send('GET', `/tasks/${task.id.toUpperCase()}`)).body.id, task.id);
});

test('a client that has the version already is spared the body', async t => {
  const task = await createTask();
  for (const known of ['"1"', 'W/"1"', '"7", "1"', 'W/"a,b" ,W/"1"', '*']) {
    const { status, headers, body } = await api.send('GET', task.path, undefined, { 'If-None-Match': known });
    t.is(status, 304, known);
    t.is(body, undefined);
    t.is(headers.get('etag'), '"1"');
    t.is(headers.get('cache-control'), 'no-cache');
  }
  for (const other of ['"2"', '1', '"11"', '""', '"01"']) {
    const answer = await api.send('GET', task.path, undefined, { 'If-None-Match': other });
    t.is(answer.status, 200, other);
  }
});

test('If-None-Match keeps a write from the versions that it names', async t => {
  const task = await createTask();
  for (const present of ['"1"', 'W/"1"', '"1-gzip"', '"7", "1"', '*']) {
    const headers = { 'If-None-Match': present };
    const patch = await api.send('PATCH', task.path, { title: 'x' }, headers);
    t.is(patch.status, 412, present);
    t.is(patch.body.type, '/problems/stale');
    t.is((await api.send('DELETE', task.path, undefined, headers)).status, 412, present);
  }
  for (const [wrong, status] of [
    ['1', 400],
    ['', 400],
  ] as const)
    t.is((await api.send('DELETE', task.path, undefined, { 'If-None-Match': wrong })).status, status, wrong);
  const both = { 'If-Match': '"1"', 'If-None-Match': '"1"' };
  t.is((await api.send('PATCH', task.path, { title: 'x' }, both)).status, 412);
  t.is((await api.send('GET', task.path)).body.version, 1);
  t.is((await api.send('PATCH', task.path, { title: 'x' }, { 'If-None-Match': '"2", "9"' })).body.version, 2);
  t.is((await api.send('DELETE', task.path, undefined, { 'If-None-Match': '"1"' })).status, 204);
  t.is((await api.send('DELETE', task.path, undefined, { 'If-None-Match': '*' })).status, 404);
});

test('If-Match lets a write through only in the version it names', async t => {
  const task = await createTask();
  for (const stale of ['"2"', '"0"', '"-1"', 'W/"1"', '"abc"', '"99999999999999999999"', '"2", "3"', '""']) {
    const patch = await api.send('PATCH', task.path, { title: 'x' }, { 'If-Match': stale });
    t.is(patch.status, 412, stale);
    t.is(patch.body.type, '/problems/stale');
    t.is((await api.send('DELETE', task.path, undefined, { 'If-Match': stale })).status, 412, stale);
  }
  t.is((await api.send('PATCH', task.path, { title: 'x' }, { 'If-Match': '"7", "1"' })).body.version, 2);
  t.is((await api.send('PATCH', task.path, { title: 'y' }, { 'If-Match': '*' })).body.version, 3);
  t.is((await api.send('DELETE', task.path, undefined, { 'If-Match': '"3"' })).status, 204);
});

test('a write that waited for a task which was deleted and inserted again changes the one there is now', async t => {
  const own = await ownApi(t);
  const waits = sql.type(z.strictObject({ waits: z.boolean() }))`
    SELECT EXISTS (
      SELECT FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
    ) AS waits`;
  const { body: task } = await own.send('POST', '/tasks', { title: 'a task' });
  for (const [method, status] of [
    ['PATCH', 200],
    ['DELETE', 204],
  ] as const) {
    await own.psql.query('BEGIN');
    await own.psql.query('DELETE FROM tasks WHERE id = $1', [task.id]);
    await own.psql.query(`INSERT INTO tasks (id, title) VALUES ($1, 'again')`, [task.id]);
    const body = method === 'PATCH' ? { status: 'done' } : undefined;
    const answer = own.send(method, `/tasks/${task.id}`, body);
    await until(() => own.pool.oneFirst(waits));
    await own.psql.query('COMMIT');
    t.is((await answer).status, status, method);
    if (status === 200) t.like((await answer).body, { title: 'again', status: 'done', version: 3 });
  }
});

test('an If-Match that is no ETag is 400, not ignored', async t => {
  const task = await createTask();
  for (const malformed of ['', ' ', '1', '"1', '"1";"2"', '"1", *']) {
    t.is((await api.send('DELETE', task.path, undefined, { 'If-Match': malformed })).status, 400, malformed);
  }
  t.is((await api.send('GET', task.path)).status, 200);
});

test('of many writers with the same If-Match exactly one wins', async t => {
  const task = await createTask();
  const writers = Array.from({ length: 20 }, (_, writer) =>
    writer % 4 === 3
      ? api.send('DELETE', task.path, undefined, { 'If-Match': '"1"' })
      : api.send('PATCH', task.path, { title: `writer ${writer}` }, { 'If-Match': '"1"' }),
  );
  const statuses = (await Promise.all(writers)).map(answer => answer.status);
  t.is(statuses.filter(status => status < 300).length, 1, String(statuses));
  t.true(
    statuses.every(status => [200, 204, 412, 404].includes(status)),
    String(statuses),
  );
  t.is((await eventsOf(task.id)).length, 2);
});

test('patches of different fields at the same time lose nothing', async t => {
  const task = await createTask();
  const changes = [
    { title: 'new' },
    { description: 'new' },
    { status: 'done' },
    { priority: 'low' },
    { labels: ['new'] },
  ];
  await Promise.all(changes.map(change => api.send('PATCH', task.path, change)));
  const { body } = await api.send('GET', task.path);
  t.like(body, Object.assign({ version: 6 }, ...changes));
});

test('events carry the origin rest and the id of the request', async t => {
  const requests = ['create', 'patch', 'delete'].map(name => `${name}-${Math.random()}`);
  const [create = '', patch = '', remove = ''] = requests;
  const { body } = await api.send('POST', '/tasks', { title: 'x' }, { 'X-Request-Id': create });
  await api.send('PATCH', `/tasks/${body.id}`, { title: 'y' }, { 'X-Request-Id': patch });
  await api.send('DELETE', `/tasks/${body.id}`, undefined, { 'X-Request-Id': remove });
  const events = await eventsOf(body.id);
  t.deepEqual(
    events.map(event => event.type),
    ['task_created', 'task_updated', 'task_deleted'],
  );
  t.deepEqual(
    events.map(event => event.origin),
    ['rest', 'rest', 'rest'],
  );
  t.deepEqual(
    events.map(event => event.requestid),
    requests,
  );
  t.like(events[1]?.previous, { title: 'x', version: 1 });
});

test('what psql changes is told as psql, also between requests', async t => {
  const task = await createTask();
  await api.psql.query(`UPDATE tasks SET title = 'by hand' WHERE id = $1`, [task.id]);
  t.like((await eventsOf(task.id))[1], { origin: 'psql', requestid: null });
  t.like((await api.send('GET', task.path)).body, { title: 'by hand', version: 2 });
});

test('a request leaves neither origin nor id behind on its connection', async t => {
  await Promise.all(Array.from({ length: 30 }, () => createTask()));
  const left = z.strictObject({ origin: z.string(), id: z.string() });
  const settings = () =>
    api.pool.one(sql.type(left)`
      SELECT coalesce(current_setting('taskwire.origin', true), '') AS origin,
        coalesce(current_setting('taskwire.request_id', true), '') AS id`);
  for (const found of await Promise.all(Array.from({ length: 10 }, settings)))
    t.deepEqual(found, { origin: '', id: '' });
});

test('HEAD answers as GET does, without a body', async t => {
  const task = await createTask();
  for (const path of [task.path, '/tasks?limit=1']) {
    const [head, get] = await Promise.all([api.send('HEAD', path), api.send('GET', path)]);
    t.is(head.status, 200);
    t.is(head.body, undefined);
    for (const name of ['content-type', 'etag']) t.is(head.headers.get(name), get.headers.get(name));
  }
  const known = await api.send('HEAD', task.path, undefined, { 'If-None-Match': '"1"' });
  t.is(known.status, 304);
});
