// GET /events/stream: what a browser's EventSource relies on.
import { randomUUID } from 'node:crypto';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import { read } from '../helpers/http.ts';
import { type Context, startInstance, withInstance } from '../helpers/instance.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

interface StreamEvent {
  event: string;
  id: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects in there
  data: any;
}

// An EventSource of our own, by the standard's parsing rules (WHATWG HTML, section 9.2.6) as far as they are used.
async function* events(response: Response): AsyncGenerator<StreamEvent> {
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const lines = block.split('\n').map(line => line.split(/: (.*)/s));
      const field = (name: string) => lines.filter(([key]) => key === name).map(([, value]) => value ?? '');
      if (field('data').length === 0) continue;
      yield {
        event: field('event')[0] ?? 'message',
        id: field('id')[0],
        data: JSON.parse(field('data').join('\n')),
      };
    }
  }
}

async function open(t: ExecutionContext<Context>, query = '', headers: Record<string, string> = {}) {
  const hangUp = new AbortController();
  t.teardown(() => hangUp.abort());
  const { signal } = hangUp;
  const response = await fetch(`${t.context.instance.address}/events/stream${query}`, { headers, signal });
  const stream = events(response);
  return { response, next: async () => (await stream.next()).value as StreamEvent };
}

test('a browser that is cut off before its first event goes on from where it began, or after what it was told', async t => {
  const psql = await t.context.database.psql();
  await psql.query(`INSERT INTO tasks (title) VALUES ('before')`);
  const { rows } = await psql.query('SELECT count(*)::integer AS head FROM tasks');
  t.true(rows[0].head > 0);
  for (const [query, header, began] of [
    ['', undefined, undefined],
    ['?after=0', undefined, '0'],
    ['?after=1', '0', '0'],
  ] as const) {
    const { next } = await open(t, query, header === undefined ? {} : { 'Last-Event-ID': header });
    const ready = await next();
    t.is(ready.event, 'ready');
    t.is(ready.id, `${began ?? ready.data.head}@${ready.data.log}`, query);
  }
});

test('events come as they are committed, with the position to resume from, and of which log, as their id', async t => {
  const { response, next } = await open(t);
  t.is(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
  const ready = await next();
  t.is(ready.event, 'ready');
  const psql = await t.context.database.psql();
  const title = randomUUID();
  await psql.query('INSERT INTO tasks (title) VALUES ($1)', [title]);
  let event = await next();
  while (event.data.data?.task?.title !== title) event = await next();
  t.is(event.event, 'message');
  t.is(event.id, `${event.data.position}@${ready.data.log}`);
  t.is(event.data.type, 'task_created');
});

test('a browser that comes back misses nothing: Last-Event-ID wins over the address', async t => {
  const psql = await t.context.database.psql();
  await psql.query(`INSERT INTO tasks (title) SELECT 'streamed' FROM generate_series(1, 4)`);
  const first = await open(t, '?after=0');
  await first.next();
  const seen = [await first.next(), await first.next(), await first.next()];
  const second = await open(t, '?after=0', { 'Last-Event-ID': seen[0]?.id ?? '' });
  await second.next();
  t.deepEqual([await second.next(), await second.next()], seen.slice(1));
});

const OTHER_LOG = '00000000-0000-4000-8000-000000000000';

test('the id of an event carries its log: in another one nothing is resumed', async t => {
  const { next } = await open(t, '?after=0');
  const { log } = (await next()).data;
  for (const [query, header, status] of [
    ['', `0@${OTHER_LOG}`, 410],
    [`?after=0&log=${log}`, `0@${OTHER_LOG}`, 410],
    [`?after=0&log=${OTHER_LOG}`, `0@${log.toUpperCase()}`, 200],
    [`?after=0&log=${OTHER_LOG}`, '0', 410], // of the log of the address: no other is named
    [`?after=0&log=${log}`, '0', 200],
    [`?after=0&log=${log}`, '', 200],
  ] as const) {
    const { response } = await open(t, query, { 'Last-Event-ID': header });
    t.is(response.status, status, `${query} ${header}`);
    if (status === 410) t.is((await read(response)).body.reason, 'other_log');
  }
});

test('an EventSource that cannot resume is told so in its stream, which ends: a status would end it without a word', async t => {
  for (const [header, reason] of [
    ['999999999', 'ahead'],
    [`0@${OTHER_LOG}`, 'other_log'],
  ] as const) {
    const headers = { Accept: 'text/html, text/event-stream;q=0.9', 'Last-Event-ID': header };
    const { response, next } = await open(t, '?after=0', headers);
    t.is(response.status, 200);
    t.is(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    t.like(await next(), { event: 'reset', id: '', data: { type: 'reset', reason } });
    t.falsy(await next());
  }
});

test('every block of a stream is an event or a comment: how soon to come back stands in the first', async t => {
  const controller = new AbortController();
  t.teardown(() => controller.abort());
  const response = await fetch(`${t.context.instance.address}/events/stream?after=0`, {
    signal: controller.signal,
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const text = (await reader?.read())?.value ?? '';
  const [first = ''] = text.split('\n\n');
  t.regex(first, /^retry: 1000\nevent: ready\nid: .+\ndata: /);
  for (const block of text.split('\n\n').slice(0, -1)) t.regex(block, /^(:|data:)/m, block);
});

test('what cannot be resumed from is 410, a bad position 400, before anything is streamed', async t => {
  const gone = await open(t, '?after=0', { 'Last-Event-ID': '999999999' });
  t.is(gone.response.status, 410);
  t.is((await read(gone.response)).body.reason, 'ahead');
  for (const bad of ['x', '-1', '1.5', '1@', '1@x', `@${OTHER_LOG}`, `x@${OTHER_LOG}`]) {
    const { response } = await open(t, '', { 'Last-Event-ID': bad });
    t.is(response.status, 400);
    t.is((await read(response)).body.errors[0].path, 'Last-Event-ID');
  }
});

test('HEAD answers what GET would begin with, and ends', async t => {
  const response = await fetch(`${t.context.instance.address}/events/stream`, { method: 'HEAD' });
  t.is(response.status, 200);
  t.is(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
});

test('an instance that goes away ends its streams and answers who waits', async t => {
  const instance = await startInstance(t.context.database.url);
  const stream = events(await fetch(`${instance.address}/events/stream`));
  await stream.next();
  const { head } = (await read(await fetch(`${instance.address}/events?limit=1`))).body;
  const waiting = fetch(`${instance.address}/events?after=${head}&wait=30&type=run_failed`);
  const other = events(await fetch(`${instance.address}/events/stream`)); // the wait has begun by now
  await other.next();
  await instance.stop();
  for await (const _ of stream);
  t.is((await waiting).status, 200);
});
