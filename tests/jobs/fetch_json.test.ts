// How a source is fetched: within bounds, with patience, and with words for what went wrong.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createGzip, gzipSync } from 'node:zlib';
import test from 'ava';
import { createCookieJar } from '../../src/jobs/fetch/cookie_jar.ts';
import { parseRetryAfter, publicUrl } from '../../src/jobs/fetch/fetch_bytes.ts';
import { fetchJson } from '../../src/jobs/fetch/fetch_json.ts';
import { type Handler, type SourceServer, startSource } from '../fixtures/source_server.ts';

const never = new AbortController().signal;
const impatient = { retryFor: 0, signal: never };
const patient = { retryFor: 30_000, signal: never };

async function serve(
  t: { teardown(end: () => Promise<void>): void },
  answer: Handler | object,
): Promise<SourceServer> {
  const source = await startSource(answer);
  t.teardown(source.close);
  return source;
}

test('the JSON of an address is fetched, compressed or not', async t => {
  const source = await serve(t, [{ id: 1 }]);
  t.deepEqual((await fetchJson(source.url, {}, impatient)).body, [{ id: 1 }]);
  source.answer((_request, response) => {
    response.setHeader('Content-Encoding', 'gzip').end(gzipSync(JSON.stringify(['сжато'])));
  });
  t.deepEqual((await fetchJson(source.url, {}, impatient)).body, ['сжато']);
});

test('headers go there and come back', async t => {
  const source = await serve(t, (request, response) => {
    response.setHeader('ETag', `"${request.headers.authorization}"`).end('[]');
  });
  const { headers } = await fetchJson(source.url, { headers: { authorization: 'token' } }, impatient);
  t.is(headers.etag, '"token"');
});

test('a body that never stops growing once decoded is cut off', async t => {
  const cut = Promise.withResolvers<void>();
  const source = await serve(t, (_request, response) => {
    response.setHeader('Content-Encoding', 'gzip');
    const bomb = createGzip();
    bomb.pipe(response);
    const zeros = Buffer.alloc(1024 * 1024);
    const more = () => bomb.writable && bomb.write(zeros, () => setImmediate(more));
    more();
    response.once('close', () => {
      bomb.destroy();
      cut.resolve();
    });
  });
  await t.throwsAsync(fetchJson(source.url, {}, patient), {
    message: `${source.url} answered with more than 10 MB`,
  });
  await cut.promise;
  t.is(source.requests.length, 1);
});

test('a gzip bomb of 50 MB is refused', async t => {
  const bomb = gzipSync(Buffer.alloc(50 * 1024 * 1024, ' '));
  const source = await serve(t, (_request, response) => {
    response.setHeader('Content-Encoding', 'gzip').end(bomb);
  });
  await t.throwsAsync(fetchJson(source.url, {}, patient), { message: /more than 10 MB$/ });
});

test('ten megabytes are not too many', async t => {
  const body = `"${'x'.repeat(10 * 1024 * 1024 - 2)}"`;
  const source = await serve(t, (_request, response) => response.end(body));
  t.is(JSON.stringify((await fetchJson(source.url, {}, impatient)).body).length, body.length);
});

for (const status of [429, 503]) {
  test(`a ${status} with Retry-After is tried again after it`, async t => {
    const source = await serve(t, (_request, response) => {
      if (source.requests.length < 3) response.writeHead(status, { 'Retry-After': '0' }).end();
      else response.end('["at last"]');
    });
    t.deepEqual((await fetchJson(source.url, {}, patient)).body, ['at last']);
    t.is(source.requests.length, 3);
  });

  test(`a ${status} that asks for more patience than there is fails at once and is left alone`, async t => {
    const source = await serve(t, (_request, response) => {
      response.writeHead(status, { 'Retry-After': '3600' }).end();
    });
    await t.throwsAsync(fetchJson(source.url, {}, patient), {
      message: /answered \d+ .*, and asks to wait 3600 s$/,
    });
    t.is(source.requests.length, 1);
  });
}

test('a failure that may pass is tried again without being asked to', async t => {
  const source = await serve(t, (request, response) => {
    if (source.requests.length === 1) request.socket.destroy();
    else response.end('[]');
  });
  t.deepEqual((await fetchJson(source.url, {}, patient)).body, []);
  t.is(source.requests.length, 2);
});

test('patience ends in the middle of a try that gets no answer, too', async t => {
  const source = await serve(t, request => {
    if (source.requests.length === 1) request.socket.destroy();
  });
  await t.throwsAsync(fetchJson(source.url, {}, { retryFor: 3_000, signal: never }), {
    message: /^could not be reached \(ETIMEDOUT 127\.0\.0\.1/,
  });
  t.is(source.requests.length, 2);
});

test('a failure that will not pass is not tried again', async t => {
  const source = await serve(t, (_request, response) => response.writeHead(403).end('no'));
  await t.throwsAsync(fetchJson(source.url, {}, patient), {
    message: `${source.url} answered 403 Forbidden`,
  });
  t.is(source.requests.length, 1);
});

test('a refusal says what the source says of it: one line, its first 200 characters', async t => {
  const source = await serve(t, []);
  const says = async (status: number, type: string, body: string | Buffer) => {
    source.answer((_request, response) => {
      response.writeHead(status, { 'Content-Type': type, 'Retry-After': '600' }).end(body);
    });
    const { message } = await t.throwsAsync(fetchJson(source.url, {}, patient));
    return message.slice(source.url.length + ' answered '.length);
  };
  const json = 'application/json; charset=utf-8';
  for (const [status, text] of [
    [403, 'Forbidden'],
    [410, 'Gone'],
    [422, 'Unprocessable Entity'],
    [451, 'Unavailable For Legal Reasons'],
  ] as const) {
    t.is(
      await says(status, json, '{"message": "Issues are disabled"}'),
      `${status} ${text}: Issues are disabled`,
    );
  }
  t.is(
    await says(429, json, '{"error": {"message": "slow down"}}'),
    '429 Too Many Requests: slow down, and asks to wait 600 s',
  );
  for (const body of [
    '{"detail": "x"}',
    '{"error": "x"}',
    '{"title": "x"}',
    '{"error": "e", "error_description": "x"}',
  ])
    t.is(await says(403, 'application/problem+json', body), '403 Forbidden: x', body);
  t.is(await says(403, 'text/plain', 'no\u001b[31m\r\n\0more\n'), '403 Forbidden: no [31m more');
  t.is(await says(403, json, `{"message": "${'ы'.repeat(300)}"}`), `403 Forbidden: ${'ы'.repeat(199)}…`);
  for (const [type, body] of [
    ['text/html', '<html>no</html>'],
    [json, '{"message": "Forbidden"}'],
    [json, '{"message": ""}'],
    [json, '{"message": {}}'],
    [json, 'no JSON'],
    [json, `{"message": "x"${' '.repeat(100_000)}}`],
  ] as const)
    t.is(await says(403, type, body), '403 Forbidden', body.slice(0, 20));
});

test('a refusal whose words do not end, or do not come, is told without them', async t => {
  const source = await serve(t, (_request, response) => {
    response.writeHead(403, { 'Content-Type': 'application/json' }).write('{"message": "');
  });
  const expected = { message: `${source.url} answered 403 Forbidden` };
  await t.throwsAsync(fetchJson(source.url, {}, patient), expected);
  source.answer((_request, response) => {
    response
      .writeHead(403, { 'Content-Type': 'text/plain', 'Content-Length': '9' })
      .write('no', () => response.destroy());
  });
  await t.throwsAsync(fetchJson(source.url, {}, patient), { message: `${expected.message}: no` });
});

test('a refusal that repeats what it was sent gives no secret away', async t => {
  const source = await serve(t, (request, response) => {
    const said = `${request.headers.authorization} ${request.url}`;
    response.writeHead(403, { 'Content-Type': 'text/plain' }).end(said);
  });
  const headers = { authorization: `Bearer ${'s3cret'.repeat(50)}` };
  await t.throwsAsync(fetchJson(`${source.url}?state=open&token=0123456789`, { headers }, patient), {
    message: `${source.url}?… answered 403 Forbidden: Bearer … /todos?state=open&token=…`,
  });
});

test('a cookie that a redirect sets is brought along, and to no other origin', async t => {
  const elsewhere = await serve(t, ['never']);
  const source = await serve(t, (request, response) => {
    const Location = request.headers.cookie === undefined ? '/moved' : elsewhere.url;
    response.writeHead(302, { Location, 'Set-Cookie': 'a=1; Domain=127.0.0.1; Path=/' }).end();
  });
  await t.throwsAsync(fetchJson(source.url, {}, patient), { message: /another origin: it is not followed$/ });
  t.deepEqual(
    source.requests.map(({ headers }) => headers.cookie),
    [undefined, 'a=1'],
  );
  t.deepEqual(elsewhere.requests, []);
});

test('a jar takes only so many cookies, and none that is too long', async t => {
  const jar = createCookieJar();
  for (let index = 0; index < 60; index++) await jar.setCookie(`c${index}=1`);
  await jar.setCookie('c0=2; Path=/x');
  await jar.setCookie(`c1=${'x'.repeat(5_000)}`);
  await jar.setCookie('=nameless');
  const cookies = (await jar.getCookieString()).split('; ');
  t.deepEqual([cookies.length, cookies[0], cookies[1]], [50, 'c0=2', 'c1=1']);
});

test('Retry-After is read as seconds and as a date', t => {
  const now = Date.parse('2026-11-23T10:00:00Z');
  t.is(parseRetryAfter('2', now), 2_000);
  t.is(parseRetryAfter('Mon, 23 Nov 2026 10:00:05 GMT', now), 5_000);
  t.is(parseRetryAfter('Mon, 23 Nov 2026 09:00:00 GMT', now), 0);
  t.is(parseRetryAfter('soon', now), undefined);
  t.is(parseRetryAfter(undefined, now), undefined);
});

test('what is no JSON is named for what it says it is', async t => {
  const source = await serve(t, (_request, response) => {
    response.setHeader('Content-Type', 'text/html').end('<html>');
  });
  const message = `${source.url} did not answer with JSON (text/html)`;
  await t.throwsAsync(fetchJson(source.url, {}, patient), { message });
  source.answer((_request, response) => {
    response.setHeader('Content-Type', 'text/html').end(Buffer.from([0x22, 0xff, 0x22]));
  });
  await t.throwsAsync(fetchJson(source.url, {}, patient), { message });
});

test('a body that is cut off is no answer', async t => {
  const source = await serve(t, (_request, response) => {
    response.writeHead(200, { 'Content-Length': '100' });
    response.write('[1, 2', () => response.destroy());
  });
  await t.throwsAsync(fetchJson(source.url, {}, impatient), {
    message: /^could not be reached \(E\w+ 127\.0\.0\.1/,
  });
});

test('nobody listening reads as nobody listening', async t => {
  await t.throwsAsync(fetchJson('http://127.0.0.1:1/', {}, impatient), {
    message: 'could not be reached (ECONNREFUSED 127.0.0.1:1)',
  });
});

test('a name that does not exist is named', async t => {
  await t.throwsAsync(fetchJson('http://nowhere.invalid/', {}, impatient), {
    message: /^could not be reached \((ENOTFOUND|EAI_AGAIN) nowhere\.invalid\)$/,
  });
});

test('redirects are followed, but not for ever', async t => {
  const source = await serve(t, (request, response) => {
    if (request.url === '/todos') response.writeHead(302, { Location: '/moved' }).end();
    else response.end('["moved"]');
  });
  t.deepEqual((await fetchJson(source.url, {}, impatient)).body, ['moved']);
  source.answer((_request, response) => response.writeHead(302, { Location: '/todos' }).end());
  await t.throwsAsync(fetchJson(source.url, {}, patient), { message: /redirected too often/ });
});

test('a redirect to another origin is refused, named, and asked for nothing, after one within the origin too', async t => {
  const elsewhere = await serve(t, ['never']);
  const { origin } = new URL(elsewhere.url);
  const source = await serve(t, (request, response) => {
    const Location = request.url === '/todos' ? '/moved' : `${origin}/todos?token=hidden`;
    response.writeHead(302, { Location }).end();
  });
  for (const url of [source.url, source.url.replace('/todos', '/else')]) {
    await t.throwsAsync(fetchJson(url, { headers: { authorization: 'secret' } }, patient), {
      message: `${url} redirects to ${origin}/todos?…, which is another origin: it is not followed`,
    });
  }
  t.deepEqual(elsewhere.requests, []);
});

test('credentials and queries stay out of errors', async t => {
  const source = await serve(t, (_request, response) => response.writeHead(404).end());
  const url = `${source.url.replace('http://', 'http://user:secret@')}?access_token=hidden`;
  await t.throwsAsync(fetchJson(url, {}, patient), { message: `${source.url}?… answered 404 Not Found` });
  t.is(publicUrl('https://user:secret@example.org/path?token=hidden#part'), 'https://example.org/path?…');
});

test('it stops when it is told to, while waiting for an answer and while waiting to try again', async t => {
  const asked = Promise.withResolvers<void>();
  const source = await serve(t, () => asked.resolve());
  const stop = new AbortController();
  const answer = fetchJson(source.url, {}, { retryFor: 30_000, signal: stop.signal });
  await asked.promise;
  stop.abort(new Error('stopped'));
  await t.throwsAsync(answer, { message: 'stopped' });

  const refused = Promise.withResolvers<void>();
  source.answer((_request, response) => {
    response.writeHead(503, { 'Retry-After': '20' }).end(() => refused.resolve());
  });
  const again = new AbortController();
  const retried = fetchJson(source.url, {}, { retryFor: 30_000, signal: again.signal });
  await refused.promise;
  again.abort(new Error('stopped'));
  await t.throwsAsync(retried, { message: 'stopped' });
});

test('something that is no HTTP is a clear failure too', async t => {
  const server = createServer(socket => socket.end('hello\r\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') return t.fail();
  connect(address.port, '127.0.0.1').destroy();
  await t.throwsAsync(fetchJson(`http://127.0.0.1:${address.port}/`, {}, impatient), {
    message: /^could not be reached \(HPE_\w+ 127\.0\.0\.1\)$/,
  });
});
