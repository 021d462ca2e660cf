// Lists in pages: what their parameters may be, where they lead, and that writers cannot make them skip or repeat.
import test, { type ExecutionContext } from 'ava';
import { ownApi, type TestApi } from '../helpers/http.ts';
import { createRandom, type Random } from '../helpers/random.ts';

async function apiWith(t: ExecutionContext, tasks: number): Promise<TestApi> {
  const api = await ownApi(t);
  // One statement and yet a moment of its own for each; every third pair shares one, so that ids must decide.
  await api.psql.query(
    `INSERT INTO tasks (title, created_at)
     SELECT 'task ' || n, timestamptz '2026-01-01 00:00:00.000001+00' + (n / 3) * interval '1 microsecond'
     FROM generate_series(1, $1) AS n`,
    [tasks],
  );
  return api;
}

/** Every id from the first page to the last, in order; `between` happens before each page but the first. */
async function walk(api: TestApi, limit: number, between: () => unknown = () => {}): Promise<string[]> {
  const ids: string[] = [];
  let path: string | undefined = `/tasks?limit=${limit}`;
  while (path !== undefined) {
    const { status, headers, body } = await api.send('GET', path);
    if (status !== 200) throw new Error(`${path}: ${status}`);
    ids.push(...body.data.map((task: { id: string }) => task.id));
    path = /^<(.*)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
    await between();
  }
  return ids;
}

async function idsInOrder(api: TestApi): Promise<string[]> {
  const { rows } = await api.psql.query<{ id: string }>(
    'SELECT id FROM tasks ORDER BY created_at DESC, id DESC',
  );
  return rows.map(row => row.id);
}

test('an empty list is one empty page', async t => {
  const api = await apiWith(t, 0);
  const { status, headers, body } = await api.send('GET', '/tasks');
  t.is(status, 200);
  t.deepEqual(body, { data: [], next_cursor: null });
  t.is(headers.get('link'), null);
});

test('pages of any size, one after the other, are the whole list, newest first', async t => {
  const api = await apiWith(t, 60);
  const ids = await idsInOrder(api);
  for (const limit of [1, 7, 20, 59, 60, 61, 200]) t.deepEqual(await walk(api, limit), ids, `${limit}`);
});

test('a page has 50 tasks unless told otherwise, and the next one is named twice', async t => {
  const api = await apiWith(t, 51);
  const { headers, body } = await api.send('GET', '/tasks');
  t.is(body.data.length, 50);
  t.is(headers.get('link'), `</tasks?cursor=${body.next_cursor}>; rel="next"`);
  const last = await api.send('GET', `/tasks?cursor=${body.next_cursor}`);
  t.is(last.body.data.length, 1);
  t.is(last.body.next_cursor, null);
});

test('the address of the next page keeps the limit', async t => {
  const api = await apiWith(t, 3);
  const { headers, body } = await api.send('GET', '/tasks?limit=2');
  t.is(headers.get('link'), `</tasks?limit=2&cursor=${body.next_cursor}>; rel="next"`);
});

test('a listed task is the task', async t => {
  const api = await apiWith(t, 1);
  const { body } = await api.send('GET', '/tasks');
  t.deepEqual(body.data[0], (await api.send('GET', `/tasks/${body.data[0].id}`)).body);
});

test('a cursor holds even when the task it was made of is deleted', async t => {
  const api = await apiWith(t, 9);
  const ids = await idsInOrder(api);
  const { body } = await api.send('GET', '/tasks?limit=4');
  await api.send('DELETE', `/tasks/${ids[3]}`);
  const rest = await api.send('GET', `/tasks?cursor=${body.next_cursor}`);
  t.deepEqual(
    rest.body.data.map((task: { id: string }) => task.id),
    ids.slice(4),
  );
});

test('parameters that are wrong or unknown are all named', async t => {
  const api = await apiWith(t, 0);
  const cases = {
    'limit=0': ['limit'],
    'limit=201': ['limit'],
    'limit=-1': ['limit'],
    'limit=1.5': ['limit'],
    'limit=': ['limit'],
    'limit=1e2': ['limit'],
    'limit=%D9%A1': ['limit'],
    'limit=1&limit=2': ['limit'],
    'page=2': ['page'],
    'Limit=1': ['Limit'],
    'cursor=a&cursor=b': ['cursor'],
    '__proto__=1&constructor=2': ['__proto__', 'constructor'],
    'limit=x&foo&bar=%E0%A4%A': ['bar', 'foo', 'limit'],
    '=': [''],
  };
  for (const [query, named] of Object.entries(cases)) {
    const { status, body } = await api.send('GET', `/tasks?${query}`);
    t.is(status, 400, query);
    t.is(body.type, '/problems/malformed');
    t.deepEqual(body.errors.map((error: { path: string }) => error.path).sort(), named, query);
  }
});

test('unknown parameters are refused everywhere, not passed over', async t => {
  const api = await apiWith(t, 1);
  const [id] = await idsInOrder(api);
  for (const [method, path, body] of [
    ['GET', `/tasks/${id}`],
    ['POST', '/tasks', { title: 'x' }],
    ['PATCH', `/tasks/${id}`, { title: 'x' }],
    ['DELETE', `/tasks/${id}`],
  ] as const) {
    const answer = await api.send(method, `${path}?dry_run=true`, body);
    t.is(answer.status, 400, method);
    t.is(answer.body.errors[0].path, 'dry_run');
  }
  t.deepEqual(await idsInOrder(api), [id]);
});

test('a cursor that no list gave is refused', async t => {
  const api = await apiWith(t, 3);
  const { body } = await api.send('GET', '/tasks?limit=1');
  const good: string = body.next_cursor;
  const [sort, created_at, id] = JSON.parse(Buffer.from(good, 'base64url').toString());
  const forged = [
    [sort, created_at],
    [sort, created_at, 'x'],
    [sort, created_at, id, 1],
    [sort, 'infinity', id],
    [sort, '2026-02-30T00:00:00.000000Z', id],
    [sort, '0000-01-01T00:00:00.000000Z', id],
    [sort, 5, id],
    ['title', created_at, id],
    { created_at, id },
    null,
  ].map(keys => Buffer.from(JSON.stringify(keys)).toString('base64url'));
  for (const cursor of [
    '',
    'x',
    `${good}=`,
    `${good}A`,
    ` ${good}`,
    good.slice(1),
    `${good}%00`,
    ...forged,
  ]) {
    const answer = await api.send('GET', `/tasks?cursor=${cursor}`);
    t.is(answer.status, 400, cursor);
    t.deepEqual(
      answer.body.errors.map((error: { path: string }) => error.path),
      ['cursor'],
    );
  }
});

test('while others insert, change and delete, what stays is listed exactly once', async t => {
  const random = createRandom(t.log);
  const api = await apiWith(t, 120);
  const doomed = new Set((await idsInOrder(api)).filter(() => random.chance(0.3)));
  const staying = (await idsInOrder(api)).filter(id => !doomed.has(id));
  for (let round = 0; round < 4; round++) {
    const ids = await walk(api, 1 + random.below(20), () => writeAtRandom(api, random, doomed, staying));
    t.is(new Set(ids).size, ids.length, 'a task came twice');
    const stayed = new Set(staying);
    t.deepEqual(
      ids.filter(id => stayed.has(id)),
      staying,
    );
  }
});

async function writeAtRandom(
  api: TestApi,
  random: Random,
  doomed: Set<string>,
  staying: string[],
): Promise<void> {
  const [victim] = doomed;
  const writes: Promise<unknown>[] = [
    api.send('POST', '/tasks', { title: 'newcomer' }),
    api.send('PATCH', `/tasks/${random.pick(staying)}`, { title: `changed ${random.below(1e6)}` }),
    // Into the middle, where pages have been read and will be.
    api.psql.query(
      `INSERT INTO tasks (title, created_at)
       SELECT 'backdated', created_at FROM tasks WHERE id = $1`,
      [random.pick(staying)],
    ),
  ];
  if (victim !== undefined && doomed.delete(victim)) writes.push(api.send('DELETE', `/tasks/${victim}`));
  await Promise.all(writes);
}
