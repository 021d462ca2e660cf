// Pages of strangers: what a browser sends for them is refused, whatever else asks is not.
import test, { type ExecutionContext } from 'ava';
import { createOrigins } from '../../src/web/origins.ts';
import { ownApi } from '../helpers/http.ts';

const FRIEND = 'https://friend.example';

async function start(t: ExecutionContext, { checksHost }: { checksHost: boolean }) {
  const api = await ownApi(t, { origins: createOrigins({ checksHost, allowed: [FRIEND] }) });
  // fetch() would not let us say these headers.
  const ask = async (method: string, headers: Record<string, string>, body = '{"title":"x"}') => {
    const all = { 'Content-Type': 'application/json', 'Content-Length': String(body.length), ...headers };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = `${method} /tasks HTTP/1.1\r\nConnection: close\r\n${lines.join('')}\r\n`;
    const answer = await api.raw(`${head}${body}`);
    return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]), answer };
  };
  return { api, ask };
}

const OTHERS = [
  { Origin: 'https://elsewhere.example' },
  { Origin: 'https://friend.example.elsewhere.example' },
  { Origin: 'null' },
  { Origin: 'http://x:1' },
  { 'Sec-Fetch-Site': 'cross-site' },
  { 'Sec-Fetch-Site': 'cross-site', Origin: 'https://elsewhere.example' },
];
const OURS = [
  {},
  { Origin: 'http://x' },
  { Origin: FRIEND, 'Sec-Fetch-Site': 'cross-site' },
  { 'Sec-Fetch-Site': 'same-origin', Origin: 'http://x' },
  { 'Sec-Fetch-Site': 'none' },
];

test('a page of another origin can change nothing, not even by a form', async t => {
  const { api, ask } = await start(t, { checksHost: false });
  for (const headers of OTHERS) {
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      const { status, answer } = await ask(method, { Host: 'x', ...headers });
      t.is(status, 403, `${method} ${JSON.stringify(headers)}`);
      t.true(answer.includes('"type":"/problems/forbidden"'));
      if (headers.Origin !== undefined)
        t.true(answer.includes(`the origin ${headers.Origin} is not allowed`));
    }
    t.is((await ask('GET', { Host: 'x', ...headers }, '')).status, 200);
  }
  t.is((await api.psql.query('SELECT FROM public.tasks')).rowCount, 0);
});

test('our own pages, those of an allowed origin and all that is no browser can', async t => {
  const { ask } = await start(t, { checksHost: false });
  for (const headers of OURS)
    t.is((await ask('POST', { Host: 'x', ...headers })).status, 201, JSON.stringify(headers));
});

test('a page of the other scheme is another origin; behind TLS a proxy says which one the request came by', async t => {
  const { ask } = await start(t, { checksHost: false });
  for (const [origin, forwarded, status] of [
    ['https://x', undefined, 403],
    ['https://x', 'https', 201],
    ['https://x', 'HTTPS, http', 201],
    ['https://x', 'http', 403],
    ['http://x', 'https', 403],
    ['http://x', 'http', 201],
    ['ws://x', undefined, 403],
    ['http://x:80', undefined, 201],
  ] as const) {
    const scheme: Record<string, string> = forwarded === undefined ? {} : { 'X-Forwarded-Proto': forwarded };
    t.is(
      (await ask('POST', { Host: 'x', Origin: origin, ...scheme })).status,
      status,
      `${origin} ${forwarded}`,
    );
  }
});

test('on loopback a name that is not this machine’s or an allowed origin’s is refused, for reading too', async t => {
  const { ask } = await start(t, { checksHost: true });
  for (const Host of [
    'elsewhere.example',
    'elsewhere.example:8000',
    'notlocalhost',
    'localhost.example',
    'x',
    '',
  ]) {
    const { status, answer } = await ask('GET', { Host }, '');
    t.is(status, 403, Host);
    t.true(answer.includes(`the host ${Host} is not this machine`));
  }
  for (const Host of [
    'localhost',
    'LOCALHOST:8000',
    'tasks.localhost:8000',
    '127.0.0.1:8000',
    '[::1]:8000',
    '192.0.2.7',
    'friend.example',
    'friend.example:8443',
  ]) {
    t.is((await ask('GET', { Host }, '')).status, 200, Host);
  }
});

test('where others can reach the service, it may be called whatever they like', async t => {
  const { ask } = await start(t, { checksHost: false });
  t.is((await ask('GET', { Host: 'tasks.example' }, '')).status, 200);
});
