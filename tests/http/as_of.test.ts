// Tasks as of a moment: one and the list, by position and by time, whatever has become of them since.
import ava, { type TestFn } from 'ava';
import { ownApi, type Send, senderTo } from '../helpers/http.ts';
import { type Context, withInstance } from '../helpers/instance.ts';
import { createRandom } from '../helpers/random.ts';
import { readValue, sequence, shortenLog } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const test = ava as TestFn<Context>;
withInstance(test);

const NOWHERE = '/tasks/01a207cb-0000-7000-8000-000000000000';

interface Task {
  id: string;
  title: string;
  created_at: string;
}

/** Every task of a list from the first page to the last. */
async function walk(send: Send, path: string, between: () => unknown = () => {}): Promise<Task[]> {
  const tasks: Task[] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const { status, headers, body } = await send('GET', next);
    if (status !== 200) throw new Error(`${next}: ${status} ${JSON.stringify(body)}`);
    tasks.push(...body.data);
    next = /^<(.*)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
    await between();
  }
  return tasks;
}

/** The last position of a task's history, when all that was done to it is in the log. */
async function positionOf(send: Send, id: string): Promise<number> {
  const { body } = await send('GET', `/tasks/${id}/history`);
  return body.data.at(-1).position;
}

test('a task is what it was at every position of its history', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'a' });
  const path = `/tasks/${task.id}`;
  await send('PATCH', path, { title: 'b' });
  await send('DELETE', path);
  await send('POST', `${path}/restore`);
  await send('PATCH', path, { status: 'done' });
  const { body } = await send('GET', `${path}/history`);
  for (const { position, type, data } of body.data) {
    const then = await send('GET', `${path}?as_of=${position}`);
    if (type === 'task_deleted') {
      t.is(then.status, 404);
      continue;
    }
    t.deepEqual(then.body, data.task);
    t.is(then.headers.get('etag'), `"${data.task.version}"`);
  }
  t.is((await send('GET', `${path}?as_of=${body.data[0].position - 1}`)).status, 404);
  t.is((await send('GET', `${path}?as_of=0`)).status, 404);
  t.is((await send('GET', `${NOWHERE}?as_of=${body.data[0].position}`)).status, 404);
});

test('a client that has that version is spared the body', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'a' });
  const path = `/tasks/${task.id}?as_of=${await positionOf(send, task.id)}`;
  t.is((await send('GET', path, undefined, { 'If-None-Match': '"1"' })).status, 304);
  t.is((await send('GET', path, undefined, { 'If-None-Match': '"2"' })).status, 200);
});

test('a time means the last position given by then, however it is written', async t => {
  const send = senderTo(t.context.instance.address);
  const session = await t.context.database.psql();
  const { body: task } = await send('POST', '/tasks', { title: 'before' });
  const path = `/tasks/${task.id}`;
  await positionOf(send, task.id);
  const now = await readValue<string>(session, 'SELECT feed.rfc3339(clock_timestamp())');
  await send('PATCH', path, { title: 'after' });
  await positionOf(send, task.id);
  const titleAt = async (time: string) =>
    (await send('GET', `${path}?as_of=${encodeURIComponent(time)}`)).body.title;
  t.is(await titleAt(now), 'before');
  t.is(await titleAt(`${now.slice(0, -1)}-00:00`), 'before');
  t.is(await titleAt(now.toLowerCase()), 'before');
  t.is(await titleAt('9999-12-31T23:59:59Z'), 'after');
  t.is((await send('GET', `${path}?as_of=0001-01-01T00:00:00Z`)).status, 404);
  t.deepEqual((await send('GET', '/tasks?as_of=0001-01-01T00:00:00Z')).body, { data: [], next_cursor: null });
  t.true((await walk(send, `/tasks?as_of=${now}`)).some(({ title }) => title === 'before'));
});

test('what is no moment of this log is refused with its name', async t => {
  const send = senderTo(t.context.instance.address);
  const { body: task } = await send('POST', '/tasks', { title: 'a' });
  const moments = [
    ...[
      '',
      'x',
      '-1',
      '1.5',
      '1e3',
      'yesterday',
      '2026-01-01',
      '2026-01-01T00:00:00',
      '2026-02-30T00:00:00Z',
    ],
    ...['1000000000', '9007199254740993', '9'.repeat(400), '%D9%A1', '1&as_of=2'],
  ];
  for (const timestamp of moments) {
    for (const path of ['/tasks', `/tasks/${task.id}`]) {
      const { status, body } = await send('GET', `${path}?as_of=${timestamp}`);
      t.is(status, 400, timestamp);
      t.deepEqual(
        body.errors.map((error: { path: string }) => error.path),
        ['as_of'],
      );
    }
  }
  const { body } = await send('GET', '/tasks?as_of=1000000000');
  t.regex(body.detail, /beyond the last position, \d+/);
});

test('the list is what it was at any position, page by page, while others write', async t => {
  const api = await ownApi(t);
  const random = createRandom(text => t.log(text));
  const session = api.psql;
  const known: string[] = [];
  const lists: { position: number; tasks: Task[] }[] = [];
  const change = async () => {
    const id = random.pick([...known, NOWHERE]).replace('/tasks/', '');
    const path = `/tasks/${id}`;
    const kind = random.below(7);
    if (kind === 0) await api.send('DELETE', path);
    else if (kind === 1) await api.send('PATCH', path, { title: `changed ${random.below(1000)}` });
    else if (kind === 2) await api.send('POST', `${path}/restore`);
    else if (kind === 3) {
      // The same moment for many, so that ids must decide; and an id that comes back with another moment.
      const timestamp = `2026-01-0${1 + random.below(3)}T00:00:00Z`;
      await session.query(
        `INSERT INTO tasks (id, title, created_at) VALUES ($1, 'at a moment', $2) ON CONFLICT DO NOTHING`,
        [id, timestamp],
      );
      known.push(id);
    } else known.push((await api.send('POST', '/tasks', { title: `task ${known.length}` })).body.id);
  };
  for (let round = 0; round < 30; round++) {
    for (let step = random.below(6); step >= 0; step--) await change();
    await sequence(session);
    const position = Number(
      await readValue<string>(session, 'SELECT max(last_position) FROM feed.event_batches'),
    );
    lists.push({ position, tasks: await walk(api.send, '/tasks?limit=200') });
  }
  for (const { position, tasks } of lists) {
    const limit = 1 + random.below(20);
    t.deepEqual(
      await walk(api.send, `/tasks?as_of=${position}&limit=${limit}`, change),
      tasks,
      `as of ${position}`,
    );
  }
  t.true(lists.some(({ tasks }) => tasks.length > 20));
});

test('later pages are of the moment of the first, also if that was a time to come', async t => {
  const api = await ownApi(t);
  await api.psql.query(`INSERT INTO tasks (title) SELECT 'task ' || n FROM generate_series(1, 5) AS n`);
  await sequence(api.psql);
  const before = await walk(api.send, '/tasks');
  const tasks = await walk(api.send, '/tasks?as_of=9999-01-01T00:00:00Z&limit=2', async () => {
    await api.psql.query(`DELETE FROM tasks WHERE id IN (SELECT id FROM tasks ORDER BY id LIMIT 1)`);
    await api.psql.query(`INSERT INTO tasks (title) VALUES ('later')`);
    await sequence(api.psql);
  });
  t.deepEqual(tasks, before);
});

test('where nearly nothing that is met was there then pages are short, and yet they lead to all there was', async t => {
  const api = await ownApi(t);
  await api.psql.query(
    `INSERT INTO tasks (title, created_at) VALUES ('the oldest', '2020-01-01Z'), ('gone', '2020-01-01Z')`,
  );
  await sequence(api.psql);
  await api.psql.query(
    `INSERT INTO tasks (title, created_at) SELECT 'later', '2021-01-01Z' FROM generate_series(1, 2500)`,
  );
  await api.psql.query(
    `INSERT INTO tasks (title, created_at) SELECT 'too', '2021-01-01Z' FROM generate_series(1, 1500)`,
  );
  await api.psql.query(`DELETE FROM tasks WHERE title IN ('too', 'gone')`);
  await sequence(api.psql);
  const first = await api.send('GET', '/tasks?as_of=2');
  t.deepEqual(first.body.data, []);
  t.not(first.body.next_cursor, null);
  const all = await walk(api.send, '/tasks?as_of=2');
  t.deepEqual(all.map(({ title }) => title).sort(), ['gone', 'the oldest']);
});

test('a list, a task and its history are told as far back as the log goes, of tasks whose events it no longer keeps, too', async t => {
  const api = await ownApi(t);
  await api.psql.query(`INSERT INTO tasks (title) SELECT 'task ' || n FROM generate_series(1, 30) AS n`);
  await sequence(api.psql);
  const { body } = await api.send('GET', '/tasks?limit=200');
  const [changed, deleted, forgotten, ...others] = body.data as { id: string; title: string }[];
  await api.psql.query('DELETE FROM tasks WHERE id = $1', [forgotten?.id]);
  await sequence(api.psql);
  const before = await walk(api.send, '/tasks?as_of=31&limit=7');
  await api.psql.query(`UPDATE tasks SET title = 'changed' WHERE id = $1`, [changed?.id]);
  await api.psql.query('DELETE FROM tasks WHERE id = $1', [deleted?.id]);
  await sequence(api.psql);
  await shortenLog(api.psql, 31);
  t.is(before.length, 29);
  t.deepEqual(await walk(api.send, '/tasks?as_of=31&limit=7'), before);
  for (const task of [changed, deleted, others[0]])
    t.deepEqual((await api.send('GET', `/tasks/${task?.id}?as_of=31`)).body, task);
  t.is((await api.send('GET', `/tasks/${forgotten?.id}?as_of=31`)).status, 404);
  const history = async (id?: string) => (await api.send('GET', `/tasks/${id}/history`)).body;
  t.like(await history(others[0]?.id), { data: [], from: 31 });
  t.like(await history(forgotten?.id), { data: [], from: 31 });
  t.is((await history(changed?.id)).data.length, 1);
  t.is(
    (await api.send('GET', `/tasks/${changed?.id.replace(/.$/, '0')}/history`)).status,
    changed?.id.endsWith('0') ? 200 : 404,
  );
  t.is((await api.send('POST', `/tasks/${deleted?.id}/restore`)).status, 201);
  t.like(await api.send('POST', `/tasks/${forgotten?.id}/restore`), {
    status: 410,
    body: { reason: 'retention' },
  });
});

test('a cursor belongs to its own list and moment', async t => {
  const send = senderTo(t.context.instance.address);
  for (const title of ['a', 'b', 'c']) await send('POST', '/tasks', { title });
  const head = await until(async () => {
    const { body } = await send('GET', '/tasks?as_of=9999-01-01T00:00:00Z');
    return body.data.length >= 3;
  });
  t.true(head);
  const present = (await send('GET', '/tasks?limit=1')).body.next_cursor;
  const past = (await send('GET', '/tasks?limit=1&as_of=3')).body.next_cursor;
  for (const query of [
    `as_of=3&cursor=${present}`,
    `cursor=${past}`,
    `as_of=2&cursor=${past}`,
    'as_of=3&cursor=x',
  ]) {
    const { status, body } = await send('GET', `/tasks?${query}`);
    t.is(status, 400, query);
    t.is(body.errors[0].path, 'cursor');
  }
});

test('before what the log keeps, the answer is 410 and says why', async t => {
  const api = await ownApi(t);
  const { body: task } = await api.send('POST', '/tasks', { title: 'a' });
  for (const title of ['b', 'c', 'd']) await api.send('PATCH', `/tasks/${task.id}`, { title });
  await sequence(api.psql);
  await shortenLog(api.psql, 2);
  for (const path of ['/tasks', `/tasks/${task.id}`]) {
    for (const timestamp of ['0', '1', '0001-01-01T00:00:00Z']) {
      const { status, body } = await api.send('GET', `${path}?as_of=${timestamp}`);
      t.is(status, 410);
      t.like(body, { type: '/problems/gone', reason: 'retention' });
    }
    t.not((await api.send('GET', `${path}?as_of=2`)).status, 410);
  }
  t.is((await api.send('GET', `/tasks/${task.id}?as_of=3`)).body.title, 'c');
});
