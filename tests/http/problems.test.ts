// What every answer has in common, and what errors say: problem+json, the request's id, one line in the log.
import test from 'ava';
import { CATALOGUE } from '../../src/errors.ts';
import { operation } from '../../src/web/operation.ts';
import { ownApi, read, withApi } from '../helpers/http.ts';

const api = withApi(test);

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const NOWHERE = '/tasks/01a207cb-0000-7000-8000-000000000000';

test('a problem says what, where and in which request', async t => {
  const { status, headers, body } = await api.send('GET', `${NOWHERE}`, undefined, {
    'X-Request-Id': 'mine',
  });
  t.is(status, 404);
  t.is(headers.get('content-type'), 'application/problem+json');
  t.is(headers.get('cache-control'), 'no-store');
  t.is(headers.get('x-content-type-options'), 'nosniff');
  t.deepEqual(body, {
    type: '/problems/not-found',
    title: 'There is no such thing',
    status: 404,
    detail: `there is no task ${NOWHERE.slice('/tasks/'.length)}`,
    instance: NOWHERE,
    request_id: 'mine',
  });
});

test('the type of every problem leads to a page that explains it', async t => {
  for (const [code, { title }] of Object.entries(CATALOGUE)) {
    const response = await api.request(`/problems/${code.replaceAll('_', '-')}`);
    t.is(response.status, 200, code);
    t.regex(response.headers.get('content-type') ?? '', /^text\/html/);
    t.true((await response.text()).includes(title));
  }
  t.is((await api.request('/problems/no-such-problem')).status, 404);
});

test('a path that is not there is 404 for every method', async t => {
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
    for (const path of ['/', '/nothing', '/tasks/a/b', '/%E0%A4%A', '//tasks', '/tasks%2f', '/wsx']) {
      const { status, body } = await api.send(method, path);
      t.is(status, 404, `${method} ${path}`);
      t.is(body.type, '/problems/not-found');
    }
  }
  t.is((await api.send('HEAD', '/nothing')).status, 404);
});

test('a method that a path does not take is 405 and says which it takes', async t => {
  const allowed = { '/tasks': 'GET, HEAD, OPTIONS, POST', [NOWHERE]: 'DELETE, GET, HEAD, OPTIONS, PATCH' };
  for (const [path, allow] of Object.entries(allowed)) {
    for (const method of ['PUT', 'PROPFIND', 'TRACE']) {
      const answer = await api.raw(`${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      t.regex(answer, /^HTTP\/1\.1 405 /, `${method} ${path}`);
      t.true(answer.includes(`Allow: ${allow}\r\n`), answer);
      t.true(answer.includes('"type":"/problems/method-not-allowed"'));
    }
    const options = await api.send('OPTIONS', path);
    t.is(options.status, 204);
    t.is(options.headers.get('allow'), allow);
  }
  t.is((await api.send('DELETE', '/tasks')).status, 405);
  t.is((await api.send('POST', NOWHERE, {})).status, 405);
});

test('a WebSocket asked for as a page is 426', async t => {
  const answer = await api.raw('GET /ws/tasks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  t.regex(answer, /^HTTP\/1\.1 426 /);
  t.regex(answer, /\r\nUpgrade: websocket\r\n/);
  t.regex(answer, /"type":"\/problems\/upgrade-required"/);
});

test("the client's own request id is echoed and logged", async t => {
  for (const id of ['a', '!~', 'x'.repeat(200), '{"injected":1}']) {
    const { headers } = await api.send('GET', '/tasks', undefined, { 'X-Request-Id': id });
    t.is(headers.get('x-request-id'), id);
    t.like(await api.logged(id), { method: 'GET', path: '/tasks', status: 200, msg: 'request' });
  }
});

test('any other request id is replaced', async t => {
  for (const id of ['', 'x'.repeat(201), 'two words', 'naïve']) {
    const { headers } = await api.send('GET', '/nothing', undefined, { 'X-Request-Id': id });
    t.regex(headers.get('x-request-id') ?? '', UUID);
  }
  const without = await api.send('GET', '/nothing');
  t.is(without.body.request_id, without.headers.get('x-request-id'));
});

test('every request is one line in the log, without its query', async t => {
  const ids = ['line-ok', 'line-bad', 'line-missing'];
  const paths = ['/tasks?limit=1', '/tasks?secret=1', '/nothing'];
  await Promise.all(ids.map((id, i) => api.send('GET', paths[i] ?? '', undefined, { 'X-Request-Id': id })));
  const lines = api.log.filter(line => ids.includes(String(line.request_id)));
  t.is(lines.length, 3);
  t.true(lines.every(line => line.level === 30 && typeof line.ms === 'number'));
  t.false(JSON.stringify(lines).includes('secret'));
});

test('an unexpected error is 500 without its reason, which the log has once', async t => {
  const own = await ownApi(t);
  await own.psql.query('ALTER TABLE tasks RENAME TO secret_name');
  for (const [method, body] of [['GET'], ['POST', { title: 'x' }]] as const) {
    const id = `broken-${method}`;
    const { status, headers, body: problem } = await own.send(method, '/tasks', body, { 'X-Request-Id': id });
    t.is(status, 500);
    t.is(headers.get('content-type'), 'application/problem+json');
    t.is(problem.request_id, id);
    t.deepEqual(Object.keys(problem), ['type', 'title', 'status', 'detail', 'instance', 'request_id']);
    t.false(/relation|secret_name|\.ts|at /.test(JSON.stringify(problem)), JSON.stringify(problem));
    const lines = own.log.filter(line => line.request_id === id);
    t.is(lines.length, 1);
    t.is(lines[0]?.level, 50);
    t.regex(JSON.stringify(lines[0]?.err), /relation .* does not exist/);
  }
});

const teapot = operation({
  id: 'show_teapot',
  method: 'get',
  path: '/teapot',
  summary: 'Fails.',
  tag: 'tea',
  access: 'open',
  answers: {},
  handle() {
    throw new Error('short and stout');
  },
});

test('an operation handed in is served like the others', async t => {
  const own = await ownApi(t, { operations: () => [teapot] });
  t.is((await own.send('GET', '/teapot')).body.status, 500);
  t.is((await own.send('PUT', '/teapot')).headers.get('allow'), 'GET, HEAD, OPTIONS');
  t.deepEqual(await read(await own.request('/health/live')).then(answer => answer.body), { status: 'ok' });
});

test('bytes that are no HTTP get an answer, not a crash', async t => {
  t.regex(await api.raw('GET / HTTP/1.1\r\nbad header\r\n\r\n'), /^HTTP\/1\.1 400 /);
  t.regex(await api.raw('\x16\x03\x01\x02\x00\x01\r\n\r\n'), /^HTTP\/1\.1 400 /);
  t.regex(
    await api.raw(`GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`),
    /^HTTP\/1\.1 431 /,
  );
  t.is((await api.send('GET', '/health/live')).status, 200);
});

test('a request target that is no URL is malformed, not a fault of the service', async t => {
  const answer = await api.raw('GET http://[/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  t.regex(answer, /^HTTP\/1\.1 400 /);
  t.regex(answer, /the request target is no URL/);
});
