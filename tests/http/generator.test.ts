// The generator over REST: asking for runs, waiting for them, and reading of them.
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { createHttpApp } from '../../src/http/app.ts';
import { createRunOperations } from '../../src/http/runs/run_operations.ts';
import { describeSources } from '../../src/jobs/generator/adapters.ts';
import { nextTime } from '../../src/jobs/schedule.ts';
import { createOrigins } from '../../src/web/origins.ts';
import { logger, startGenerator } from '../fixtures/generator.ts';
import { held, todos } from '../fixtures/source_server.ts';
import { read } from '../helpers/http.ts';

const RUNS = '/task-generator/runs';

async function startApi(t: ExecutionContext, cron?: string) {
  const generator = await startGenerator(t);
  const { pool } = generator.database;
  const sources = describeSources([
    { adapter: 'jsonplaceholder', url: 'https://user:secret@example.org/todos?token=hidden' },
    { adapter: 'sample', url: undefined },
  ]);
  const app = createHttpApp({
    readiness: { database: async () => ({ reasons: [] }), parts: () => [] },
    logger,
    origins: createOrigins({ checksHost: true, allowed: [] }),
    operations: createRunOperations({
      pool,
      of: {
        kind: 'task_generator',
        sources,
        cron,
        nextRunAt: now => (cron === undefined ? undefined : nextTime(cron, now)),
      },
      path: '/task-generator',
      requests: ['/task-generator/run'],
    }),
  });
  const server = createServer(app.callback());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const call = async (path: string, method = 'GET', headers: Record<string, string> = {}) =>
    read(await fetch(`${url}${path}`, { method, headers }));
  return { ...generator, url, call };
}

test('asking for a run answers 202, where it is, and the run', async t => {
  const { call, staged } = await startApi(t);
  const { status, headers, body } = await call('/task-generator/run', 'POST', { 'X-Request-Id': 'mine' });
  t.is(status, 202);
  t.is(headers.get('location'), `${RUNS}/${body.id}`);
  t.like(body, {
    kind: 'task_generator',
    status: 'queued',
    attempt: 1,
    fetched: 0,
    error: null,
    started_at: null,
  });
  t.regex(body.queued_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
  t.deepEqual((await call(`${RUNS}/${body.id}`)).body, body);
  t.like((await staged('runs'))[0], { type: 'run_queued', origin: 'rest', requestid: 'mine' });
});

test('asking twice answers with the same run, while it is queued and while it is running', async t => {
  const { call, source, startWorker, ended } = await startApi(t);
  const answer = held(todos(1));
  source.answer(answer.handler);
  const queued = await call('/task-generator/run', 'POST');
  const again = await call('/task-generator/run', 'POST');
  t.is(again.status, 202);
  t.deepEqual(again.body, queued.body);
  await startWorker();
  await answer.asked;
  const running = await call('/task-generator/run', 'POST');
  t.is(running.status, 202);
  t.like(running.body, { id: queued.body.id, status: 'running', attempt: 1 });
  answer.release();
  await ended(queued.body.id);
  t.not((await call('/task-generator/run', 'POST')).body.id, queued.body.id);
});

test('asking at the same moment makes one run', async t => {
  const { call } = await startApi(t);
  const answers = await Promise.all(Array.from({ length: 8 }, () => call('/task-generator/run', 'POST')));
  t.is(new Set(answers.map(({ body }) => body.id)).size, 1);
  t.is((await call(RUNS)).body.data.length, 1);
});

test('waiting answers 200 with the finished run', async t => {
  const { call, source, startWorker } = await startApi(t);
  source.answer(todos(7));
  await startWorker();
  const { status, headers, body } = await call('/task-generator/run?wait=30', 'POST');
  t.is(status, 200);
  t.is(headers.get('location'), `${RUNS}/${body.id}`);
  t.like(body, { status: 'succeeded', fetched: 7, created: 7 });
});

test('waiting shorter than the run takes answers 202 with the run as it is', async t => {
  const { call } = await startApi(t);
  const { status, body } = await call('/task-generator/run?wait=1', 'POST');
  t.is(status, 202);
  t.is(body.status, 'queued');
});

test('waiting holds no connection of the pool', async t => {
  const { call, source, startWorker } = await startApi(t);
  const answer = held(todos(1));
  source.answer(answer.handler);
  await startWorker();
  const waiting = Array.from({ length: 30 }, () => call('/task-generator/run?wait=30', 'POST'));
  await answer.asked;
  t.is((await call('/task-generator')).status, 200);
  answer.release();
  for (const { status } of await Promise.all(waiting)) t.is(status, 200);
});

test('a client that goes away while it waits leaves the run alone', async t => {
  const { url, source, startWorker, database, ended } = await startApi(t);
  const answer = held(todos(1));
  source.answer(answer.handler);
  await startWorker();
  const client = httpRequest(`${url}/task-generator/run?wait=30`, { method: 'POST' });
  client.on('error', () => {});
  client.end();
  await answer.asked;
  client.destroy();
  answer.release();
  const psql = await database.psql();
  const { rows } = await psql.query('SELECT id FROM runs');
  t.like(await ended(rows[0].id), { status: 'succeeded' });
});

for (const query of ['wait=31', 'wait=-1', 'wait=soon', 'wait=', 'wait=1&wait=2', 'wiat=1']) {
  test(`run?${query} is refused and makes no run`, async t => {
    const { call } = await startApi(t);
    const { status, body } = await call(`/task-generator/run?${query}`, 'POST');
    t.is(status, 400);
    t.is(body.errors[0].path, query.split('=')[0]);
    t.deepEqual((await call(RUNS)).body.data, []);
  });
}

test('runs are listed newest first, page by page', async t => {
  const { call, psql } = await startApi(t);
  await psql.query(`INSERT INTO runs (kind, status, finished_at)
    SELECT 'task_generator', 'succeeded', now() FROM generate_series(1, 5)`);
  await psql.query(`INSERT INTO runs (kind) VALUES ('another_kind')`);
  const seen: string[] = [];
  for (let path = `${RUNS}?limit=2`; path !== ''; ) {
    const { headers, body } = await call(path);
    seen.push(...body.data.map((run: { id: string }) => run.id));
    path = /<(.*)>/.exec(headers.get('link') ?? '')?.[1] ?? '';
    t.is(path === '', body.next_cursor === null);
  }
  const { rows } = await psql.query(`SELECT id FROM runs WHERE kind = 'task_generator' ORDER BY id DESC`);
  t.deepEqual(
    seen,
    rows.map(row => row.id),
  );
});

test('lists and runs refuse what they do not know', async t => {
  const { call } = await startApi(t);
  const { id } = (await call('/task-generator/run', 'POST')).body;
  for (const path of [
    `${RUNS}?sort=id`,
    `${RUNS}?limit=0`,
    `${RUNS}?cursor=x`,
    `${RUNS}/${id}?x=1`,
    '/task-generator?x=1',
  ]) {
    t.is((await call(path)).status, 400, path);
  }
  for (const path of [`${RUNS}/1`, `${RUNS}/01980000-0000-7000-8000-000000000000`]) {
    t.is((await call(path)).status, 404, path);
  }
});

test('the overview tells sources without their secrets, the schedule, and the last and next run', async t => {
  const { call, startWorker, run } = await startApi(t, '0 0 29 2 *');
  t.like((await call('/task-generator')).body, { last_run: null });
  await startWorker();
  const last = await run();
  const { body } = await call('/task-generator');
  t.deepEqual(Object.keys(body), ['sources', 'schedule', 'next_run_at', 'last_run']);
  t.deepEqual(body.sources, [
    { name: 'jsonplaceholder', url: 'https://example.org/todos?…' },
    { name: 'sample', url: null },
  ]);
  t.is(body.schedule, '0 0 29 2 *');
  t.regex(body.next_run_at, /^\d{4}-02-29T00:00:00\.000000Z$/);
  t.deepEqual(body.last_run, last);
});

test('without a schedule there is no next run', async t => {
  const { call } = await startApi(t);
  t.like((await call('/task-generator')).body, { schedule: null, next_run_at: null });
});
