// GET /events: the log in pages.
import { randomUUID } from 'node:crypto';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { read } from '../helpers/http.ts';
import { type Context, withInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

const get = async (t: ExecutionContext<Context>, path: string, init?: RequestInit) =>
  read(await fetch(`${t.context.instance.address}${path}`, init));

async function insert(t: ExecutionContext<Context>, count: number): Promise<string> {
  const psql = await t.context.database.psql();
  const title = randomUUID();
  await psql.query(`INSERT INTO tasks (title) SELECT '${title}' FROM generate_series(1, ${count})`);
  return title;
}

test('pages one after the other are the whole log, as a socket hears it', async t => {
  await insert(t, 25);
  const socket = openSocket(t.context.instance.address, '/ws/events?after=0');
  const heard = [];
  while (heard.length < 25) heard.push(await socket.event());
  socket.drop();
  const paged = [];
  for (let after = 0; paged.length < 25; ) {
    const { status, body } = await get(t, `/events?after=${after}&limit=7`);
    t.is(status, 200);
    t.true(body.data.length <= 7);
    t.true(body.head >= body.next_after);
    paged.push(...body.data);
    after = body.next_after;
  }
  t.deepEqual(paged.slice(0, 25), heard);
});

test('what was committed a moment ago is waited for, and a filter passes over the rest', async t => {
  const { head } = (await get(t, '/events?limit=1')).body;
  const waiting = get(t, `/events?after=${head}&wait=30&type=task_deleted`);
  const title = await insert(t, 3);
  const psql = await t.context.database.psql();
  await psql.query('DELETE FROM tasks WHERE title = $1', [title]);
  const { body } = await waiting;
  t.true(body.data.length >= 1);
  t.true(body.data.every((event: { type: string }) => event.type === 'task_deleted'));
  t.true(body.next_after >= body.data.at(-1).position);
});

test('a full page asked for by its log never changes: no head, an ETag, and any cache may keep it', async t => {
  await insert(t, 5);
  const socket = openSocket(t.context.instance.address, '/ws/events?after=0');
  const { log } = await socket.next();
  await socket.events(5);
  socket.drop();
  const path = `/events?after=1&limit=3&log=${log}`;
  const first = await get(t, path);
  t.is(first.headers.get('cache-control'), 'public, max-age=31536000, immutable');
  t.deepEqual(Object.keys(first.body), ['data', 'next_after']);
  t.is(first.body.next_after, 4);
  const etag = first.headers.get('etag') ?? '';
  t.regex(etag, /^"[^"]+"$/);
  await insert(t, 5);
  const again = await get(t, path, { headers: { 'If-None-Match': etag } });
  t.is(again.status, 304);
  t.deepEqual((await get(t, path)).body, first.body);
  const unnamed = await get(t, '/events?after=1&limit=3');
  t.is(unnamed.headers.get('cache-control'), 'no-store');
  t.is(unnamed.headers.get('etag'), null);
});

test('a position that cannot be resumed from is 410 with the reason', async t => {
  const ahead = await get(t, '/events?after=999999999');
  t.like(ahead, { status: 410, body: { type: '/problems/gone', status: 410, reason: 'ahead' } });
  const other = await get(t, `/events?after=0&log=${randomUUID()}`);
  t.like(other, { status: 410, body: { reason: 'other_log' } });
});

const faults = [
  'after=-1',
  'after=x',
  'after=1&after=2',
  'limit=0',
  'limit=1001',
  'wait=31',
  'wait=1.5',
  'type=nothing',
  'topic=nothing',
  'snapshot=true',
  'subject=',
  'log=x',
];
for (const query of faults) {
  test(`a bad parameter is 400 and named: ${query}`, async t => {
    const { status, body } = await get(t, `/events?${query}`);
    t.is(status, 400);
    t.is(body.errors[0].path, query.split('=')[0]);
  });
}

test('compacted, what there is after a position is the last event of each entity, and leads to the head', async t => {
  const psql = await t.context.database.psql();
  const { head: after } = (await get(t, '/events?limit=1')).body;
  const title = await insert(t, 3);
  await psql.query(`UPDATE tasks SET status = 'done' WHERE title = $1`, [title]);
  await psql.query(
    'DELETE FROM tasks WHERE id IN (SELECT id FROM tasks WHERE title = $1 ORDER BY id LIMIT 1)',
    [title],
  );
  const socket = openSocket(t.context.instance.address, `/ws/events?after=${after}`);
  await socket.events(7);
  socket.drop();
  const mine = [];
  for (let next = after; ; ) {
    const { status, body, headers } = await get(t, `/events?after=${next}&compact=true&topic=tasks&limit=2`);
    t.is(status, 200);
    t.is(headers.get('cache-control'), 'no-store');
    mine.push(
      ...body.data.filter(({ data }: { data: { task: { title: string } } }) => data.task.title === title),
    );
    next = body.next_after;
    if (next >= body.head) break;
  }
  t.deepEqual(mine.map(({ type }) => type).sort(), ['task_deleted', 'task_updated', 'task_updated']);
  t.is((await get(t, `/events?after=${after}&compact=true&wait=1`)).status, 400);
});
