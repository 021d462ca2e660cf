// HEAD and OPTIONS on everything that there is, and Allow.
import test from 'ava';
import { createEventOperations } from '../../src/delivery/event_operations.ts';
import { createCurrencyOperations } from '../../src/http/currencies/currency_operations.ts';
import { createRunOperations } from '../../src/http/runs/run_operations.ts';
import { logger } from '../fixtures/generator.ts';
import { withApi } from '../helpers/http.ts';
import { emptyFeed } from '../helpers/socket_app.ts';

const api = withApi(test, {
  operations: pool => [
    ...createCurrencyOperations({ pool }),
    ...createRunOperations({
      pool,
      of: { kind: 'currency_rates', sources: [], cron: undefined, nextRunAt: () => undefined },
      path: '/currencies/refresh',
      requests: ['/currencies/refresh', '/tasks/run'],
    }),
    ...createRunOperations({
      pool,
      of: { kind: 'task_generator', sources: [], cron: undefined, nextRunAt: () => undefined },
      path: '/task-generator',
      requests: ['/task-generator/run'],
    }),
    ...createEventOperations(emptyFeed(logger)),
  ],
});

test('OPTIONS and 405 tell the methods of every path, and HEAD is one wherever GET is', async t => {
  const { body: task } = await api.send('POST', '/tasks', { title: 'x' });
  const paths = new Set(api.operations.map(({ path }) => path));
  t.true(paths.size > 10);
  for (const path of paths) {
    const methods = api.operations
      .filter(each => each.path === path)
      .map(({ method }) => method.toUpperCase());
    const address = path.replace('{id}', task.id).replace('{code}', 'not-found');
    const options = await api.send('OPTIONS', address);
    t.is(options.status, 204, path);
    const allowed = options.headers.get('allow')?.split(', ') ?? [];
    for (const method of methods) t.true(allowed.includes(method), `${path} ${method}`);
    t.is(allowed.includes('HEAD'), allowed.includes('GET'), path);
    const refused = await api.send('PROPFIND', address);
    t.is(refused.status, 405, path);
    t.is(refused.headers.get('allow'), options.headers.get('allow'));
  }
});

test('a path that stands as it is takes its own methods, and none of those that a path with a parameter takes', async t => {
  const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];
  for (const [path, allow, taken] of [
    ['/tasks/batch', 'OPTIONS, POST', ['POST']],
    ['/Tasks/BATCH/', 'OPTIONS, POST', ['POST']],
    ['/tasks/run', 'OPTIONS, POST', ['POST']],
    ['/currencies/refresh', 'GET, HEAD, OPTIONS, POST', ['GET', 'HEAD', 'POST']],
    ['/currencies/convert', 'GET, HEAD, OPTIONS', ['GET', 'HEAD']],
  ] as const) {
    t.is((await api.send('OPTIONS', path)).headers.get('allow'), allow, path);
    for (const method of methods.filter(each => !(taken as readonly string[]).includes(each))) {
      const { status, headers } = await api.send(method, path);
      t.is(status, 405, `${method} ${path}`);
      t.is(headers.get('allow'), allow, `${method} ${path}`);
    }
  }
  t.deepEqual((await api.send('GET', '/currencies/refresh')).body.sources, []);
  t.is(
    (await api.send('OPTIONS', '/tasks/batches')).headers.get('allow'),
    'DELETE, GET, HEAD, OPTIONS, PATCH',
  );
  t.is((await api.send('GET', '/tasks/batches')).status, 404);
});

test('HEAD answers as GET does, without the body', async t => {
  const { body: task } = await api.send('POST', '/tasks', { title: 'x' });
  for (const path of [
    '/tasks',
    `/tasks/${task.id}`,
    '/tasks?limit=0',
    '/task-generator',
    '/health/live',
    '/nowhere',
  ]) {
    const [got, told] = [await api.send('GET', path), await api.send('HEAD', path)];
    t.is(told.status, got.status, path);
    t.is(told.body, undefined);
    for (const name of ['content-type', 'etag', 'cache-control'])
      t.is(told.headers.get(name), got.headers.get(name), `${path} ${name}`);
  }
});

test('OPTIONS of the server as a whole, and of nothing, are answered', async t => {
  t.regex(
    await api.raw('OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1\.1 (204|400|404) /,
  );
  t.is((await api.send('OPTIONS', '/nowhere')).status, 404);
});
