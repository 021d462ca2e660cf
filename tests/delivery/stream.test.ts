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
    t.is(ready.id, began ?? String(ready.data.head), query);
  }
});

test('events come as they are committed, with the position to resume from as their id', async t => {
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
  t.is(event.id, String(event.data.position));
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

test('what cannot be resumed from is 410, a bad position 400, before anything is streamed', async t => {
  const gone = await open(t, '?after=0', { 'Last-Event-ID': '999999999' });
  t.is(gone.response.status, 410);
  t.is((await read(gone.response)).body.reason, 'ahead');
  for (const bad of ['x', '-1', '1.5']) {
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
