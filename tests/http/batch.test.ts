// POST /tasks/batch: up to a thousand operations in their order, all or nothing, and one transaction in the log.
import test from 'ava';
import { ownApi, withApi } from '../helpers/http.ts';
import { createRandom } from '../helpers/random.ts';
import { readLog, readValue } from '../helpers/sql.ts';

const api = withApi(test);

const NOBODY = '01a207cb-0000-7000-8000-000000000000';

function batch(operations: unknown, headers: Record<string, string> = {}) {
  return api.send('POST', '/tasks/batch', { operations }, headers);
}

async function create(title: string) {
  return (await api.send('POST', '/tasks', { title })).body;
}

async function count(title: string): Promise<number> {
  return readValue(api.psql, 'SELECT count(*)::integer FROM tasks WHERE title = $1', [title]);
}

test('operations are done in their order, and answered in it', async t => {
  const [changed, deleted] = [await create('changed'), await create('deleted')];
  const { status, body } = await batch([
    { op: 'create', task: { title: '  first ', labels: ['x'] } },
    { op: 'update', id: changed.id, task: { status: 'done', description: null }, version: 1 },
    { op: 'delete', id: deleted.id },
    { op: 'update', id: changed.id.toUpperCase(), task: { title: 'changed twice' }, version: 2 },
    { op: 'update', id: changed.id, task: {} },
    { op: 'create', task: { title: 'second' } },
  ]);
  t.is(status, 200);
  t.like(body.data[0], { title: 'first', labels: ['x'], status: 'todo', version: 1 });
  t.like(body.data[1], { id: changed.id, title: 'changed', status: 'done', version: 2 });
  t.is(body.data[2], null);
  t.like(body.data[3], { id: changed.id, title: 'changed twice', version: 3 });
  t.deepEqual(body.data[4], body.data[3]);
  t.like(body.data[5], { title: 'second', version: 1 });
  t.deepEqual((await api.send('GET', `/tasks/${changed.id}`)).body, body.data[4]);
  t.is((await api.send('GET', `/tasks/${deleted.id}`)).status, 404);
});

test('the events of a batch stay together, in its order, under one transaction and the request', async t => {
  const own = await ownApi(t);
  const operations = Array.from({ length: 200 }, (_, n) => ({ op: 'create', task: { title: `task ${n}` } }));
  const writes = operations.map(({ task }) => own.send('POST', '/tasks', { title: `other ${task.title}` }));
  const { status } = await own.send('POST', '/tasks/batch', { operations }, { 'X-Request-Id': 'the-batch' });
  t.is(status, 200);
  await Promise.all(writes);
  const log = await readLog(own.psql);
  const ours = log.filter(event => event.requestid === 'the-batch');
  t.deepEqual(
    ours.map(({ data }) => data.title),
    operations.map(({ task }) => task.title),
  );
  t.deepEqual(
    ours.map(({ position }) => position),
    ours.map((_, index) => (ours[0]?.position ?? 0) + index),
  );
  t.deepEqual([...new Set(ours.map(({ origin }) => origin))], ['rest']);
  t.is(new Set(ours.map(({ transaction }) => transaction)).size, 1);
});

test('a thousand operations are taken, a thousand and one are not', async t => {
  const operations = Array.from({ length: 1_000 }, () => ({ op: 'create', task: { title: 'thousand' } }));
  const { status, body } = await batch(operations);
  t.is(status, 200);
  t.is(body.data.length, 1_000);
  t.is(await count('thousand'), 1_000);
  const refused = await batch([...operations, operations[0]]);
  t.like(refused.body, { status: 422, errors: [{ path: '/operations' }] });
  t.like((await batch([])).body, { status: 422, errors: [{ path: '/operations' }] });
  t.is(await count('thousand'), 1_000);
});

test('what is wrong with the operations is all named, by its place, and nothing is done', async t => {
  const { status, body } = await batch([
    { op: 'create', task: { title: 'undone' } },
    { op: 'create', task: { title: '', labels: ['a', 1], colour: 'red' } },
    { op: 'update', id: 'x', task: { status: 'later' }, version: 0 },
    { op: 'delete' },
    { op: 'erase', id: NOBODY },
    { id: NOBODY },
    null,
    [],
    { op: 'create' },
    { op: 'update', id: NOBODY, task: { title: 'x', statsu: 'done' }, vesrion: 1 },
  ]);
  t.is(status, 422);
  const named = Object.fromEntries(
    body.errors.map(({ path, message }: Record<string, string>) => [path, message]),
  );
  t.deepEqual(Object.keys(named).sort(), [
    '/operations/1/task/colour',
    '/operations/1/task/labels/1',
    '/operations/1/task/title',
    '/operations/2/id',
    '/operations/2/task/status',
    '/operations/2/version',
    '/operations/3/id',
    '/operations/4/op',
    '/operations/5/op',
    '/operations/6',
    '/operations/7',
    '/operations/8/task',
    '/operations/9/task/statsu',
    '/operations/9/vesrion',
  ]);
  t.is(named['/operations/4/op'], 'must be create, update or delete');
  t.is(await count('undone'), 0);
});

test('a body without a list of operations is refused', async t => {
  for (const body of [{}, [], null, { operations: {} }, { operations: null }, { operations: [], more: 1 }])
    t.is((await api.send('POST', '/tasks/batch', body)).status, 422, JSON.stringify(body));
});

test('an operation that cannot be done undoes all before it, and is named', async t => {
  const task = await create('guarded');
  const first = { op: 'create', task: { title: 'undone too' } };
  const cases = [
    { step: { op: 'update', id: NOBODY, task: { title: 'x' } }, status: 404, path: '/operations/1/id' },
    { step: { op: 'delete', id: NOBODY }, status: 404, path: '/operations/1/id' },
    { step: { op: 'delete', id: NOBODY, version: 1 }, status: 404, path: '/operations/1/id' },
    {
      step: { op: 'update', id: task.id, task: { title: 'x' }, version: 7 },
      status: 412,
      path: '/operations/1/version',
    },
    { step: { op: 'delete', id: task.id, version: 7 }, status: 412, path: '/operations/1/version' },
  ];
  for (const { step, status, path } of cases) {
    const { body } = await batch([first, step, first]);
    t.like(body, { status, errors: [{ path }] });
  }
  await api.psql.query(`ALTER TABLE tasks ADD CONSTRAINT tasks_title_length_too CHECK (title <> 'rude')`);
  await api.psql.query(`CREATE UNIQUE INDEX one_only ON tasks (title) WHERE title = 'one only'`);
  t.like((await batch([first, { op: 'create', task: { title: 'rude' } }])).body, {
    status: 422,
    errors: [{ path: '/operations/1' }],
  });
  const only = { op: 'create', task: { title: 'one only' } };
  t.like((await batch([first, first, only, only])).body, {
    status: 409,
    errors: [{ path: '/operations/3' }],
  });
  t.is(await count('undone too'), 0);
  t.is(await count('one only'), 0);
  t.like((await api.send('GET', `/tasks/${task.id}`)).body, task);
});

test('a task may be deleted and named again: then it is not there', async t => {
  const task = await create('gone within');
  const { body } = await batch([
    { op: 'delete', id: task.id },
    { op: 'update', id: task.id, task: { title: 'x' } },
  ]);
  t.like(body, { status: 404, errors: [{ path: '/operations/1/id' }] });
  t.is(await count('gone within'), 1);
});

test('a batch under an Idempotency-Key is done once', async t => {
  const operations = [{ op: 'create', task: { title: 'batched once' } }];
  const first = await batch(operations, { 'Idempotency-Key': 'batch' });
  const again = await batch(operations, { 'Idempotency-Key': 'batch' });
  t.deepEqual(again.body, first.body);
  t.is(again.headers.get('idempotent-replayed'), 'true');
  t.is((await batch([...operations, ...operations], { 'Idempotency-Key': 'batch' })).status, 422);
  t.is(await count('batched once'), 1);
});

test('batches that meet on the same tasks each happen whole, in whatever order they name them', async t => {
  const random = createRandom(t.log);
  const tasks = await Promise.all(Array.from({ length: 12 }, () => create('contended')));
  const rounds = Array.from({ length: 24 }, (_, n) => {
    const order = tasks.map(({ id }) => ({ id, at: random.below(1e6) })).sort((a, b) => a.at - b.at);
    return batch(order.map(({ id }) => ({ op: 'update', id, task: { description: `batch ${n}` } })));
  });
  for (const { status } of await Promise.all(rounds)) t.is(status, 200);
  const { rows } = await api.psql.query(
    `SELECT DISTINCT description, version::integer FROM tasks WHERE title = 'contended'`,
  );
  t.is(rows.length, 1, JSON.stringify(rows));
  t.is(rows[0].version, 1 + rounds.length);
});
