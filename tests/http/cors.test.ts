// What a browser is told of pages of other origins (WHATWG Fetch, section 3.3).
import test from 'ava';
import { createOrigins } from '../../src/web/origins.ts';
import { withApi } from '../helpers/http.ts';

const FRIEND = 'https://friend.example';
const api = withApi(test, { origins: createOrigins({ checksHost: false, allowed: [FRIEND] }) });

const asked = (headers: Headers) => [...headers.keys()].filter(name => name.startsWith('access-control-'));

test('a page of an allowed origin may read what is answered, errors among them, and the headers that it needs', async t => {
  for (const [path, status] of [
    ['/tasks', 200],
    ['/tasks?bogus=1', 400],
    ['/nowhere', 404],
    ['/health/live', 200],
  ] as const) {
    const response = await api.request(path, { headers: { Origin: FRIEND } });
    t.is(response.status, status);
    t.is(response.headers.get('access-control-allow-origin'), FRIEND, path);
    t.is(response.headers.get('access-control-allow-credentials'), null);
    t.regex(response.headers.get('vary') ?? '', /Origin/);
    const exposed = response.headers.get('access-control-expose-headers') ?? '';
    for (const name of [
      'ETag',
      'Location',
      'Link',
      'Retry-After',
      'X-Request-Id',
      'Taskwire-Log',
      'RateLimit',
    ])
      t.true(exposed.split(', ').includes(name), name);
  }
});

test('a page of any other origin is told nothing, and a cache keeps its answer apart', async t => {
  for (const origin of [
    `${FRIEND}.evil.example`,
    'https://friend.example:444',
    'http://friend.example',
    'null',
    FRIEND.toUpperCase(),
  ]) {
    const response = await api.request('/tasks', { headers: { Origin: origin } });
    t.deepEqual(asked(response.headers), [], origin);
    t.regex(response.headers.get('vary') ?? '', /Origin/);
  }
});

const preflight = (origin: string, path = '/tasks') =>
  fetch(`${api.url}${path}`, {
    method: 'OPTIONS',
    headers: {
      Origin: origin,
      'Access-Control-Request-Method': 'PATCH',
      'Access-Control-Request-Headers': 'authorization,content-type,if-match',
    },
  });

test('a preflight of an allowed origin is answered with what may be sent, wherever it leads, and another one is not', async t => {
  for (const path of ['/tasks', '/tasks/x', '/events']) {
    const { status, headers } = await preflight(FRIEND, path);
    t.is(status, 204);
    const allowed = (headers.get('access-control-allow-headers') ?? '').toLowerCase().split(', ');
    for (const name of ['authorization', 'content-type', 'if-match', 'idempotency-key', 'x-request-id'])
      t.true(allowed.includes(name), name);
    t.regex(headers.get('access-control-allow-methods') ?? '', /PATCH/);
  }
  t.deepEqual(asked((await preflight('https://elsewhere.example')).headers), []);
  const plain = await api.request('/tasks', { method: 'OPTIONS', headers: { Origin: FRIEND } });
  t.regex(plain.headers.get('allow') ?? '', /POST/);
});
