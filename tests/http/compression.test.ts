// Compressed answers: who gets them, that their ETags do not lie, and that they still guard a change.
import { get, type IncomingHttpHeaders } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import test from 'ava';
import { createEventOperations } from '../../src/delivery/event_operations.ts';
import { logger } from '../fixtures/generator.ts';
import { withApi } from '../helpers/http.ts';
import { emptyFeed } from '../helpers/socket_app.ts';

let large: string;
let small: string;
const feed = { operations: () => createEventOperations(emptyFeed(logger)) };
const api = withApi(test, feed, async api => {
  const create = async (description: string) =>
    `/tasks/${(await api.send('POST', '/tasks', { title: 'x', description })).body.id}`;
  large = await create('всё то же самое '.repeat(500));
  small = await create('little');
});

interface Raw {
  status: number;
  headers: IncomingHttpHeaders;
  bytes: Buffer;
}

/** As it comes: fetch() would ask for compression and undo it. */
function ask(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Raw> {
  return new Promise((resolve, reject) => {
    const request = get(`${api.url}${path}`, { headers, method, agent: false }, response => {
      const chunks: Buffer[] = [];
      response.on('data', chunk => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          bytes: Buffer.concat(chunks),
        }),
      );
    });
    request.on('error', reject);
  });
}

const accepting = (coding: string) => ({ 'Accept-Encoding': coding });

test('a large answer is compressed for who takes it, and is the same text', async t => {
  for (const path of [large, '/tasks?q=%D1%81%D0%B0%D0%BC%D0%BE%D0%B5']) {
    const plain = await ask(path);
    t.is(plain.headers['content-encoding'], undefined);
    t.is(plain.headers.vary, 'Accept-Encoding');
    const gzipped = await ask(path, accepting('gzip'));
    t.is(gzipped.headers['content-encoding'], 'gzip');
    t.deepEqual(gunzipSync(gzipped.bytes), plain.bytes);
    const brotli = await ask(path, accepting('br'));
    t.is(brotli.headers['content-encoding'], 'br');
    t.deepEqual(brotliDecompressSync(brotli.bytes), plain.bytes);
    for (const { headers, bytes } of [plain, gzipped, brotli]) {
      t.is(headers['content-length'], String(bytes.length));
      t.is(headers['content-type'], 'application/json; charset=utf-8');
    }
    t.true(gzipped.bytes.length < plain.bytes.length / 2);
  }
});

test('Accept-Encoding is taken at its word', async t => {
  const cases: Record<string, string | undefined> = {
    'gzip;q=0': undefined,
    'identity, gzip;q=0.5': undefined,
    'gzip;q=0.5, identity;q=0.1': 'gzip',
    'br;q=0.1, gzip;q=0.9': 'gzip',
    '*': 'br',
    '*;q=0': undefined,
    GZIP: 'gzip',
    'zstd, deflate': undefined,
    'x;;q=;,,': undefined,
    '': undefined,
  };
  for (const [asked, coding] of Object.entries(cases)) {
    const { status, headers } = await ask(large, accepting(asked));
    t.is(status, 200);
    t.is(headers['content-encoding'], coding, asked);
  }
});

test('what is small, empty, or a stream is sent as it is', async t => {
  for (const path of [small, '/health/live', '/tasks?limit=1&q=nothing']) {
    const { headers } = await ask(path, accepting('gzip'));
    t.is(headers['content-encoding'], undefined, path);
    t.is(headers.vary, undefined, path);
  }
  const stream = await ask('/events/stream', accepting('gzip'), 'HEAD');
  t.is(stream.status, 200);
  t.is(stream.headers['content-encoding'], undefined);
});

test('a problem with many faults is compressed, too', async t => {
  const query = Array.from({ length: 90 }, (_, n) => `unknown_${n}`).join('&');
  const { status, headers, bytes } = await ask(`/tasks?${query}`, accepting('gzip'));
  t.is(status, 400);
  t.is(headers['content-encoding'], 'gzip');
  t.is(JSON.parse(String(gunzipSync(bytes))).errors.length, 90);
});

test('HEAD tells of the compressed answer what GET does', async t => {
  for (const coding of ['gzip', 'br', 'identity']) {
    const [got, told] = [await ask(large, accepting(coding)), await ask(large, accepting(coding), 'HEAD')];
    t.is(told.bytes.length, 0);
    for (const name of ['etag', 'content-encoding', 'content-length', 'content-type', 'vary'])
      t.is(told.headers[name], got.headers[name], `${coding} ${name}`);
  }
});

test('each representation has an ETag of its own, and any of them is known again', async t => {
  const tags: Record<string, string> = {};
  for (const coding of ['identity', 'gzip', 'br'])
    tags[coding] = (await ask(large, accepting(coding))).headers.etag ?? '';
  t.deepEqual(tags, { identity: '"1"', gzip: '"1-gzip"', br: '"1-br"' });
  for (const tag of Object.values(tags)) {
    for (const sent of [tag, `W/${tag}`, `"x", ${tag}`]) {
      const { status, headers, bytes } = await ask(large, { ...accepting('gzip'), 'If-None-Match': sent });
      t.is(status, 304, sent);
      t.is(headers.etag, tag, sent);
      t.is(headers['content-encoding'], undefined);
      t.is(bytes.length, 0);
    }
  }
  t.is((await ask(large, { 'If-None-Match': '"2-gzip"' })).status, 200);
  t.is((await ask(large, { 'If-None-Match': '"1-zstd"' })).status, 200);
});

test('the ETag of a compressed answer guards a change like that of a plain one', async t => {
  const { body } = await api.send('POST', '/tasks', { title: 'guarded', description: 'x'.repeat(5_000) });
  const path = `/tasks/${body.id}`;
  const patch = (tag: string) => api.send('PATCH', path, { priority: 'high' }, { 'If-Match': tag });
  t.is((await ask(path, accepting('gzip'))).headers.etag, '"1-gzip"');
  t.is((await patch('W/"1-gzip"')).status, 412);
  t.is((await patch('"1-deflate"')).status, 412);
  t.is((await patch('"2-gzip"')).status, 412);
  t.is((await patch('"1-gzip"')).status, 200);
  t.is((await patch('"1-gzip"')).status, 412);
  t.is((await api.send('DELETE', path, undefined, { 'If-Match': '"2-br"' })).status, 204);
});
