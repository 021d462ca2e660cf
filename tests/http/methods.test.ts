// HEAD and OPTIONS on everything that there is, and Allow.
import test from 'ava';
import { createGeneratorOperations } from '../../src/http/generator_operations.ts';
import { createEventOperations } from '../../src/sockets/event_operations.ts';
import { logger } from '../fixtures/generator.ts';
import { startTestApi, type TestApi } from '../helpers/http.ts';
import { emptyFeed } from '../helpers/socket_app.ts';

let api: TestApi;
test.before(async () => {
  api = await startTestApi({
    operations: pool => [
      ...createGeneratorOperations({ pool, sources: [], cron: undefined }),
      ...createEventOperations(emptyFeed(logger)),
    ],
  });
});
test.after.always(() => api?.close());

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
