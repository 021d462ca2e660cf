// How bodies are read: their type, encoding and size, and what is said to those that are not JSON.
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import test from 'ava';
import { ownApi, read, withApi } from '../helpers/http.ts';

const api = withApi(test);

// No test in this file creates a task under any other title.
const TASK = '{"title":"fine"}';
const MIB = 1024 * 1024;

test.after('nothing that was refused left a row or an event behind', async t => {
  const { rows } = await api.psql.query(
    `SELECT 1 FROM tasks WHERE title <> 'fine' UNION ALL SELECT 1 FROM feed.staged WHERE data ->> 'title' <> 'fine'`,
  );
  t.deepEqual(rows, []);
});

async function post(body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}) {
  const init = { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body };
  return read(await api.request('/tasks', init));
}

/** A POST /tasks as raw HTTP, on a connection that ends with the answer. */
function message(body: string | Buffer, ...headers: string[]): Buffer {
  const head = ['POST /tasks HTTP/1.1', 'Host: x', 'Connection: close', ...headers].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), Buffer.from(body)]);
}

for (const broken of [
  '{"title":"x"',
  '{',
  '{title:"x"}',
  "{'title':1}",
  '{"title":"x"}}',
  'NaN',
  '{"a":1,}',
  ' ',
]) {
  test(`broken JSON is malformed: ${broken}`, async t => {
    const { status, headers, body } = await post(broken);
    t.is(status, 400);
    t.is(headers.get('content-type'), 'application/problem+json');
    t.is(body.type, '/problems/malformed');
    t.regex(body.detail, /not valid JSON/);
  });
}

for (const twins of [
  '{"title":"fine","title":"other"}',
  '{"title":"other","\\u0074itle":"fine"}',
  '{"title":"fine","more":{"a":1,"a":1}}',
  '{"title":"fine","more":[{},{"a":[],"b":{"a":1},"a":2}]}',
  '{"__proto__":1,"title":"fine","__proto__":2}',
  '{"title" :"fine","\\"":1, "\\"" : 2}',
]) {
  test(`a key that stands twice is malformed: ${twins}`, async t => {
    const { status, body } = await post(twins);
    t.is(status, 400);
    t.regex(body.detail, /the key .* stands twice/);
  });
}

test('what only looks like a key that stands twice is none', async t => {
  const description = '{"title":"fine","title":"fine"} \\ \\" "title": "';
  t.is(
    (await post(JSON.stringify({ title: 'fine', description, labels: ['title', 'title:', '"'] }))).status,
    201,
  );
  const { body } = await post('{"title":"fine","a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}');
  t.is(body.status, 422); // for its unknown fields alone
});

test('a megabyte of keys, or of backslashes, is looked through as fast as anything else', async t => {
  const keys = Array.from({ length: 60_000 }, (_, n) => `"${n}":1`).join(',');
  t.is((await post(`{${keys}}`)).status, 422);
  t.is((await post(`{"a":"${'\\\\'.repeat(500_000 / 2)}"}`)).status, 422);
  t.is((await post(`{"a":"${'\\"'.repeat(500_000)}"}`)).status, 422);
});

test('numbers that no double holds are content like any other', async t => {
  for (const number of ['1e999', '-1e999', '9'.repeat(1_000), '0.1e-999', '-0'])
    t.is((await post(`{"title":${number}}`)).status, 422, number);
});

test('a header that may stand once and stands twice is malformed', async t => {
  const length = `Content-Length: ${TASK.length}`;
  const types = ['Content-Type: application/json', 'Content-Type: text/plain'];
  t.regex(await api.raw(message(TASK, ...types, length)), /^HTTP\/1\.1 400 /);
  t.regex(await api.raw(message(TASK, ...types.toReversed(), length)), /^HTTP\/1\.1 400 /);
  t.regex(await api.raw(message(TASK, types[0] ?? '', length, length)), /^HTTP\/1\.1 400 /);
  const codings = ['Content-Encoding: identity', 'Content-Encoding: gzip'];
  t.regex(await api.raw(message(TASK, types[0] ?? '', ...codings, length)), /^HTTP\/1\.1 415 /);
});

test('an empty body is malformed', async t => {
  t.regex((await post('')).body.detail, /empty/);
  t.is((await post('')).status, 400);
  const answer = await read(await api.request('/tasks', { method: 'POST' }));
  t.is(answer.status, 400);
  t.regex(answer.body.detail, /a JSON body is expected/);
});

test('a body that is not UTF-8 is malformed', async t => {
  const { status, body } = await post(
    Buffer.from([...Buffer.from('{"title":"'), 0xc3, 0x28, ...Buffer.from('"}')]),
  );
  t.is(status, 400);
  t.regex(body.detail, /UTF-8/);
});

test('a byte order mark is passed over', async t => {
  t.is((await post(`\uFEFF${TASK}`)).status, 201);
});

test('a hundred thousand brackets are refused like any other content', async t => {
  const deep = (open: string, close: string) => open.repeat(100_000) + close.repeat(100_000);
  t.is((await post(deep('[', ']'))).status, 422);
  t.is((await post(`{"title":${deep('[', ']')}}`)).status, 422);
  t.is((await post(`{"title":"x","more":${deep('{"a":', '}').replace(':}', ':1}')}}`)).status, 422);
  t.is((await post('['.repeat(100_000))).status, 400);
  t.is((await post('['.repeat(MIB))).status, 400);
});

for (const type of [
  'text/plain',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/jsonx',
  'text/json',
  'json',
  'application/json; charset=windows-1251',
  'application/json; charset="utf-16"',
  'application/merge-patch+json',
  '*/*',
]) {
  test(`POST of ${type} is no JSON`, async t => {
    const { status, headers, body } = await post(TASK, { 'Content-Type': type });
    t.is(status, 415);
    t.is(body.type, '/problems/unsupported-media-type');
    t.is(headers.get('accept'), 'application/json');
  });
}

for (const type of [
  'Application/JSON',
  'application/json;charset=UTF-8',
  'application/json ; charset="utf-8"',
]) {
  test(`POST of ${type} is JSON`, async t => {
    t.is((await post(TASK, { 'Content-Type': type })).status, 201);
  });
}

test('a body without a type is refused', async t => {
  const answer = await api.raw(message(TASK, `Content-Length: ${TASK.length}`));
  t.regex(answer, /^HTTP\/1\.1 415 /);
});

test('text/plain is refused before the task is looked for', async t => {
  const headers = { 'Content-Type': 'text/plain' };
  const { status } = await api.send('PATCH', '/tasks/01a207cb-0000-7000-8000-000000000000', {}, headers);
  t.is(status, 415);
});

test('compressed bodies are read', async t => {
  t.is((await post(gzipSync(TASK), { 'Content-Encoding': 'gzip' })).status, 201);
  t.is((await post(gzipSync(TASK), { 'Content-Encoding': 'GZIP' })).status, 201);
  t.is((await post(deflateSync(TASK), { 'Content-Encoding': 'deflate' })).status, 201);
  t.is((await post(brotliCompressSync(TASK), { 'Content-Encoding': 'br' })).status, 201);
  t.is((await post(TASK, { 'Content-Encoding': 'identity' })).status, 201);
});

test('a compressed body that is broken or cut off is malformed', async t => {
  for (const bytes of [Buffer.from(TASK), gzipSync(TASK).subarray(0, -9)]) {
    t.is((await post(bytes, { 'Content-Encoding': 'gzip' })).status, 400);
  }
  t.is((await post(Buffer.from(TASK), { 'Content-Encoding': 'br' })).status, 400);
});

test('unknown encodings, and several, are refused', async t => {
  for (const encoding of ['zstd', 'compress', 'gzip, br', 'x']) {
    const { status, headers } = await post(TASK, { 'Content-Encoding': encoding });
    t.is(status, 415, encoding);
    t.regex(headers.get('accept-encoding') ?? '', /gzip/);
  }
});

test('a body of exactly 1 MiB is read, one byte more is too large', async t => {
  const fill = (length: number) => `{"title":"fine"${' '.repeat(length - TASK.length)}}`;
  t.is((await post(fill(MIB))).status, 201);
  t.is((await post(fill(MIB + 1))).status, 413);
  t.is((await post(gzipSync(fill(MIB)), { 'Content-Encoding': 'gzip' })).status, 201);
  t.is((await post(gzipSync(fill(MIB + 1)), { 'Content-Encoding': 'gzip' })).status, 413);
});

test('a body of 2 MB is too large, and the connection ends with the answer', async t => {
  const { status, headers, body } = await post(JSON.stringify({ title: 'x'.repeat(2_000_000) }));
  t.is(status, 413);
  t.is(headers.get('connection'), 'close');
  t.is(body.type, '/problems/too-large');
});

test('a small body that grows to 100 MB when it is decoded is too large', async t => {
  const bomb = Buffer.alloc(100_000_000, ' ');
  t.is((await post(gzipSync(bomb), { 'Content-Encoding': 'gzip' })).status, 413);
  t.is(
    (await post(brotliCompressSync(bomb.subarray(0, 20_000_000)), { 'Content-Encoding': 'br' })).status,
    413,
  );
});

test('a chunked body without end is answered, and the answer arrives', async t => {
  const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
  const sent = message(chunk.repeat(200), 'Content-Type: application/json', 'Transfer-Encoding: chunked');
  const answer = await api.raw(sent);
  t.regex(answer, /^HTTP\/1\.1 413 /);
  t.regex(answer, /"status":413/);
});

test('a body that says it is large is refused before it comes', async t => {
  for (const length of ['1048577', '4294967297', '99999999999999999']) {
    const answer = await api.raw(message('{', 'Content-Type: application/json', `Content-Length: ${length}`));
    t.regex(answer, /^HTTP\/1\.1 413 /, length);
  }
});

test('a client that asks first whether to send 2 MB is told no', async t => {
  const headers = ['Content-Type: application/json', 'Content-Length: 2000000', 'Expect: 100-continue'];
  t.regex(await api.raw(message('', ...headers)), /HTTP\/1\.1 413 /);
});

test('a body that is cut off changes nothing and is logged once', async t => {
  for (const encoding of ['identity', 'gzip']) {
    const id = `cut-off-${encoding}`;
    const headers = ['Content-Type: application/json', 'Content-Length: 100', `X-Request-Id: ${id}`];
    const line = api.logged(id);
    await api.raw(message('{"title":"', ...headers, `Content-Encoding: ${encoding}`), { hangUp: true });
    t.like(await line, { status: 400, path: '/tasks' });
  }
});

test('bodies of requests that need none are passed over', async t => {
  const answer = await api.raw(
    `GET /tasks?limit=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\n{{{`,
  );
  t.regex(answer, /^HTTP\/1\.1 200 /);
  const { body } = await post(TASK);
  t.is((await api.send('DELETE', `/tasks/${body.id}`, { not: 'read' })).status, 204);
});

test('a body that is cut off by a client that leaves is a line about its request, and no fault of the service', async t => {
  const own = await ownApi(t);
  const framings = {
    counted: 'Content-Length: 100\r\n\r\n{"ti',
    chunked: 'Transfer-Encoding: chunked\r\n\r\n64\r\n{"ti',
  };
  for (const [id, rest] of Object.entries(framings)) {
    const head = `POST /tasks HTTP/1.1\r\nHost: x\r\nX-Request-Id: ${id}\r\nContent-Type: application/json\r\n`;
    await own.raw(`${head}${rest}`, { hangUp: true });
    t.is((await own.logged(id)).status, 400);
  }
  t.deepEqual(
    own.log.map(({ level, msg }) => [level, msg]),
    [
      [30, 'request'],
      [30, 'request'],
    ],
  );
});
