// GET /streams/{topic}: what a client of the Durable Streams protocol relies on, and its own client for TypeScript.
import { stream } from '@durable-streams/client';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type { Instance } from '../../src/instance/instance.ts';
import { type Answer, senderTo } from '../helpers/http.ts';
import { type Context, startInstance, withInstance } from '../helpers/instance.ts';
import { findLastingPort } from '../helpers/port.ts';
import { readValue, withDatabase } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

interface Event {
  position: number;
  type: string;
  source: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects in there
  data: any;
}

const OTHER_LOG = '00000000-0000-4000-8000-000000000000';
const ask = (t: ExecutionContext<Context>, path: string, headers?: Record<string, string>, method = 'GET') =>
  senderTo(t.context.instance.address)(method, `/streams/${path}`, undefined, headers);
const offsetOf = ({ headers }: Answer) => headers.get('Stream-Next-Offset') ?? '';
const isUpToDate = ({ headers }: Answer) => headers.get('Stream-Up-To-Date') === 'true';

async function insert(t: ExecutionContext<Context>, title: string, count = 1): Promise<void> {
  const psql = await t.context.database.psql();
  await psql.query(`INSERT INTO tasks (title) SELECT $1 FROM generate_series(1, $2::integer)`, [
    title,
    count,
  ]);
}

// Where the stream ends, once everything committed so far has been numbered.
async function endOf(t: ExecutionContext<Context>, topic = 'events'): Promise<string> {
  const psql = await t.context.database.psql();
  const isNumbered = `SELECT NOT EXISTS (SELECT FROM feed.staged WHERE id NOT IN (SELECT staged_id FROM feed.events))`;
  await until(() => readValue(psql, isNumbered));
  return offsetOf(await ask(t, topic, {}, 'HEAD'));
}

async function readAll(t: ExecutionContext<Context>, topic: string, from = '-1') {
  const events: Event[] = [];
  const offsets: string[] = [];
  for (let offset = from; ; ) {
    const answer = await ask(t, `${topic}?offset=${offset}`);
    t.is(answer.status, 200);
    events.push(...answer.body);
    offset = offsetOf(answer);
    offsets.push(offset);
    if (isUpToDate(answer)) return { events, offsets };
  }
}

// A client as its README shows it, that tells what it hears.
async function listen(
  t: ExecutionContext<Context>,
  options: { offset: string; live: true | 'sse' },
  url = '',
) {
  const hangUp = new AbortController();
  t.teardown(() => hangUp.abort());
  const heard: Event[] = [];
  const titles = () => heard.map(({ data }) => data.task.title as string);
  const client = { heard, titles, offset: options.offset, hangUp: () => hangUp.abort() };
  const response = await stream<Event>({
    url: url || `${t.context.instance.address}/streams/tasks`,
    signal: hangUp.signal,
    ...options,
  });
  response.closed.catch(() => {});
  response.subscribeJson(({ items, offset }) => {
    heard.push(...items);
    client.offset = offset;
  });
  return client;
}

for (const live of [true, 'sse'] as const) {
  const way = live === 'sse' ? 'event stream' : 'long poll';

  test.serial(
    `the client of Durable Streams hears what is there and what comes, once and in order, by ${way}`,
    async t => {
      const offset = await endOf(t);
      await insert(t, 'there already', 3);
      await endOf(t);
      const { heard, titles } = await listen(t, { offset, live });
      await until(() => heard.length >= 3);
      const psql = await t.context.database.psql();
      await psql.query(
        `INSERT INTO tasks (title) VALUES ('first'); INSERT INTO tasks (title) VALUES ('second')`,
      );
      await insert(t, `last by ${way}`);
      await until(() => titles().includes(`last by ${way}`));
      const all = (await readAll(t, 'tasks', offset)).events;
      t.deepEqual(heard, all.slice(0, heard.length));
    },
  );

  test.serial(
    `the client of Durable Streams misses nothing and hears nothing twice when it comes back by ${way}`,
    async t => {
      const offset = await endOf(t);
      await insert(t, 'before', 2);
      const first = await listen(t, { offset, live });
      await until(() => first.heard.length >= 2);
      const [seen, kept] = [[...first.heard], first.offset];
      first.hangUp();
      await insert(t, `while away from ${way}`, 2);
      const second = await listen(t, { offset: kept, live });
      await until(() => second.titles().filter(title => title === `while away from ${way}`).length === 2);
      const all = (await readAll(t, 'tasks', offset)).events;
      const both = [...seen, ...second.heard].map(({ position }) => position);
      t.deepEqual(
        both,
        all.slice(0, both.length).map(({ position }) => position),
      );
    },
  );
}

test.serial('the client of Durable Streams goes on by itself when the instance is started again', async t => {
  const { database } = t.context;
  const port = await findLastingPort();
  const start = () => startInstance(database.url, { PORT: String(port) });
  let instance: Instance = await start();
  t.teardown(() => instance.stop());
  const offset = await endOf(t);
  const url = `${instance.address}/streams/tasks`;
  const listeners = [
    await listen(t, { offset, live: true }, url),
    await listen(t, { offset, live: 'sse' }, url),
  ];
  await insert(t, 'before the restart');
  for (const { titles } of listeners) await until(() => titles().includes('before the restart'));
  await instance.stop();
  await insert(t, 'during the restart');
  instance = await start();
  await insert(t, 'after the restart');
  for (const { heard, titles } of listeners) {
    await until(() => titles().includes('after the restart'));
    const all = (await readAll(t, 'tasks', offset)).events.map(({ position }) => position);
    const positions = heard.map(({ position }) => position);
    t.deepEqual(positions, all.slice(0, positions.length));
  }
});

test.serial(
  'chunks one after the other are the whole log as GET /events tells it, and their offsets sort',
  async t => {
    await insert(t, 'of many', 1_200);
    await endOf(t);
    const { events, offsets } = await readAll(t, 'events');
    t.true(offsets.length > 1);
    t.deepEqual([...offsets].sort(), offsets);
    t.deepEqual(
      events.map(({ position }) => position),
      events.map((_, index) => index + 1),
    );
    const { body } = await senderTo(t.context.instance.address)('GET', '/events?after=0&limit=1000');
    t.deepEqual(events.slice(0, body.data.length), body.data);
    t.like(await ask(t, 'events'), { status: 200, body: events.slice(0, 1) });
  },
);

test.serial('each topic is a stream, a watched table’s too; what is no topic is 404', async t => {
  const psql = await t.context.database.psql();
  await psql.query(`
    CREATE TABLE parts (id serial PRIMARY KEY, name text);
    SELECT feed.watch('parts', 'parts', 'part');
    INSERT INTO parts (name) VALUES ('bolt')`);
  await psql.query(`INSERT INTO currencies (currency, rate) VALUES ('CHF', 90)`);
  await insert(t, 'of its topic');
  await endOf(t);
  for (const topic of ['tasks', 'currencies', 'parts']) {
    const { events } = await readAll(t, topic);
    t.true(events.length > 0);
    t.true(
      events.every(({ source }) => source === `/${topic}`),
      topic,
    );
  }
  t.deepEqual((await readAll(t, 'runs')).events, []);
  for (const topic of ['nothing', 'Tasks', 'tasks%2f', '%00', 'x'.repeat(70)])
    for (const live of ['', '&live=long-poll', '&live=sse'])
      t.is((await ask(t, `${topic}?offset=now${live}`)).status, 404, topic);
});

test.serial('HEAD tells where a stream ends, and a stream is not written to', async t => {
  await insert(t, 'before the end');
  const end = await endOf(t);
  const head = await ask(t, 'tasks', {}, 'HEAD');
  t.is(head.status, 200);
  t.is(head.headers.get('content-type'), 'application/json; charset=utf-8');
  t.is(head.headers.get('cache-control'), 'no-store');
  t.true(offsetOf(head) >= end);
  t.is((await ask(t, 'nothing', {}, 'HEAD')).status, 404);
  for (const method of ['PUT', 'POST', 'DELETE']) {
    const { status, headers } = await ask(t, 'tasks', {}, method);
    t.is(status, 405);
    t.is(headers.get('allow'), 'GET, HEAD, OPTIONS');
  }
});

test.serial(
  'from now on: nothing of what there was, and everything that comes, also by the first request',
  async t => {
    await insert(t, 'long ago');
    await endOf(t);
    const now = await ask(t, 'tasks?offset=now');
    t.like(now, { status: 200, body: [] });
    t.true(isUpToDate(now));
    t.is(now.headers.get('cache-control'), 'no-store');
    t.is(now.headers.get('etag'), null);
    await insert(t, 'from now on');
    const come = await ask(t, `tasks?offset=${offsetOf(now)}&live=long-poll`);
    t.is(come.body[0].data.task.title, 'from now on');
    const waiting = ask(t, 'currencies?offset=now&live=long-poll');
    const psql = await t.context.database.psql();
    let isOver = false;
    const over = waiting.then(() => (isOver = true));
    // It may begin after any of them, but not after all.
    await until(async () => {
      if (!isOver)
        await psql.query(`INSERT INTO currencies (currency, rate) VALUES ('SEK', random() + 1)
      ON CONFLICT (currency) DO UPDATE SET rate = excluded.rate`);
      return isOver;
    });
    await over;
    const { status, body, headers } = await waiting;
    t.is(status, 200);
    t.is(body[0].data.currency.currency, 'SEK');
    t.is(headers.get('etag'), null);
  },
);

test.serial('a long poll in which nothing comes is 204, and says where to go on', async t => {
  const instance = await startInstance(t.context.database.url);
  const send = senderTo(instance.address);
  const end = offsetOf(await send('HEAD', '/streams/runs'));
  const waiting = send('GET', `/streams/runs?offset=${end}&live=long-poll`);
  const other = new AbortController();
  await fetch(`${instance.address}/events/stream`, { signal: other.signal }); // the wait has begun by now
  await instance.stop(); // who waits is answered, as when time is up
  const answer = await waiting;
  t.like(answer, { status: 204, body: undefined });
  t.true(offsetOf(answer) >= end);
  t.true(isUpToDate(answer));
  t.regex(answer.headers.get('stream-cursor') ?? '', /^\d+$/);
  t.is(answer.headers.get('cache-control'), 'no-store');
});

test.serial('a cursor is always another one than the client has: no cache can answer for ever', async t => {
  await insert(t, 'to be told');
  await endOf(t);
  const cursorOf = async (given: string) =>
    Number(
      (await ask(t, `tasks?offset=-1&live=long-poll${given}`)).headers.get('stream-cursor') ?? undefined,
    );
  const first = await cursorOf('');
  t.true(first > 0);
  t.true((await cursorOf('&cursor=1')) >= first);
  for (const given of [first, first + 1, first + 1_000_000]) {
    const next = await cursorOf(`&cursor=${given}`);
    t.true(next > given && next <= given + 180, `${given} ${next}`);
  }
});

test.serial(
  'a chunk that more lies behind may be kept by any cache, and one that the client has is 304',
  async t => {
    await insert(t, 'to be kept', 1_001);
    const end = await endOf(t);
    const first = await ask(t, 'tasks?offset=-1');
    t.is(first.headers.get('cache-control'), 'public, max-age=60, stale-while-revalidate=300');
    t.false(isUpToDate(first));
    const etag = first.headers.get('etag') ?? '';
    const again = await ask(t, 'tasks?offset=-1', { 'If-None-Match': etag });
    t.like(again, { status: 304, body: undefined });
    t.is(offsetOf(again), offsetOf(first));
    t.is((await ask(t, 'tasks?offset=-1', { 'If-None-Match': '"other"' })).status, 200);
    const last = await ask(t, `tasks?offset=${end}`);
    t.is(last.headers.get('cache-control'), 'no-cache'); // kept, it would say that nothing has come
    await insert(t, 'behind the end');
    await endOf(t);
    const later = await ask(t, `tasks?offset=${end}`, { 'If-None-Match': last.headers.get('etag') ?? '' });
    t.is(later.status, 200);
    t.not(later.headers.get('etag'), null);
  },
);

for (const query of [
  'offset=',
  'offset=x',
  'offset=0,1',
  'offset=-2',
  'offset=1',
  `offset=1_${OTHER_LOG}`,
  `offset=0000000000000001_${OTHER_LOG}&offset=-1`,
  `offset=0000000000000001_${OTHER_LOG.toUpperCase()}x`,
  'live=sse&offset=',
]) {
  test.serial(`what is no offset is 400 and named: ${query}`, async t => {
    const { status, body } = await ask(t, `tasks?${query}`);
    t.is(status, 400);
    t.is(body.errors[0].path, 'offset');
  });
}

test.serial('other faults of a query are 400 and named; a live mode needs an offset', async t => {
  for (const [query, name] of [
    ['live=long-poll', 'offset'],
    ['live=sse', 'offset'],
    ['offset=now&live=yes', 'live'],
    ['offset=now&live=sse&cursor=x', 'cursor'],
    ['offset=now&foo=bar', 'foo'],
  ]) {
    const { status, body } = await ask(t, `tasks?${query}`);
    t.is(status, 400, query);
    t.is(body.errors[0].path, name);
  }
});

test.serial('an offset that cannot be resumed from is 410 with the reason, in every mode', async t => {
  const [, log] = (await endOf(t)).split('_');
  for (const live of ['', '&live=long-poll', '&live=sse'])
    for (const [offset, reason] of [
      [`0999999999999999_${log}`, 'ahead'],
      [`0000000000000000_${OTHER_LOG}`, 'other_log'],
    ])
      t.like(await ask(t, `tasks?offset=${offset}${live}`), { status: 410, body: { reason } });
});

interface Block {
  event: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test says itself what it expects in there
  data: any;
}

async function* blocks(response: Response): AsyncGenerator<Block> {
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += chunk;
    const parts = text.split('\n\n');
    text = parts.pop() ?? '';
    for (const part of parts) {
      const [event = '', ...data] = part.split('\n');
      yield {
        event: event.replace('event: ', ''),
        data: JSON.parse(data.map(line => line.replace('data: ', '')).join('\n')),
      };
    }
  }
}

async function open(t: ExecutionContext, address: string, path: string) {
  const hangUp = new AbortController();
  t.teardown(() => hangUp.abort());
  const response = await fetch(`${address}/streams/${path}`, { signal: hangUp.signal });
  const all = blocks(response);
  return { response, next: async () => (await all.next()).value as Block };
}

test.serial(
  'an event stream is chunks, each with where to go on behind it, and says when it is up to date',
  async t => {
    const psql = await t.context.database.psql();
    await psql.query(`
    CREATE TABLE notes (id serial PRIMARY KEY, body json);
    SELECT feed.watch('notes', 'notes', 'note')`);
    const { response, next } = await open(
      t,
      t.context.instance.address,
      'notes?offset=now&live=sse&cursor=99999999999',
    );
    t.is(response.headers.get('content-type'), 'text/event-stream; charset=utf-8');
    const begun = await next();
    t.is(begun.event, 'control');
    t.like(begun.data, { upToDate: true });
    t.true(Number(begun.data.streamCursor) > 99_999_999_999);
    await psql.query(`INSERT INTO notes (body) VALUES (E'{\\r\\n"a":\\n1}'), ('2')`);
    const data = await next();
    t.is(data.event, 'data');
    t.deepEqual(
      data.data.map((event: Event) => event.data.note.body),
      [{ a: 1 }, 2],
    );
    const control = await next();
    t.is(control.event, 'control');
    t.like(control.data, { upToDate: true });
    t.true(control.data.streamNextOffset > begun.data.streamNextOffset);
    t.is((await readAll(t, 'notes', begun.data.streamNextOffset)).events.length, 2);
    t.is((await readAll(t, 'notes', control.data.streamNextOffset)).events.length, 0);
  },
);

test.serial(
  'a client that reads its event stream slowly is told everything, once and in order, and where to go on',
  async t => {
    const offset = await endOf(t);
    const psql = await t.context.database.psql();
    await psql.query(
      `INSERT INTO tasks (title, description) SELECT 'slow', repeat('x', 5000) FROM generate_series(1, 3000)`,
    );
    await endOf(t);
    const { next } = await open(t, t.context.instance.address, `tasks?offset=${offset}&live=sse`);
    await psql.query(`INSERT INTO tasks (title) VALUES ('after what is slow')`);
    await endOf(t); // meanwhile nothing was read
    const heard: Event[] = [];
    let middle = { offset: '', count: 0 };
    for (let isOver = false; !isOver; ) {
      const { event, data } = await next();
      if (event === 'data') heard.push(...data);
      else if (middle.count === 0) middle = { offset: data.streamNextOffset, count: heard.length };
      isOver = heard.at(-1)?.data.task.title === 'after what is slow';
    }
    const positionsFrom = async (from: string) =>
      (await readAll(t, 'tasks', from)).events.map(({ position }) => position);
    const positions = heard.map(({ position }) => position);
    t.deepEqual(positions, await positionsFrom(offset));
    t.deepEqual(positions.slice(middle.count), await positionsFrom(middle.offset));
  },
);

test.serial(
  'an instance that goes away ends its event streams, and is not kept from it by who does not read',
  async t => {
    const instance = await startInstance(t.context.database.url);
    const reading = await open(t, instance.address, 'tasks?offset=now&live=sse');
    await open(t, instance.address, 'tasks?offset=-1&live=sse');
    t.is((await reading.next()).event, 'control');
    await instance.stop();
    while (await reading.next());
    t.pass();
  },
);

test.serial(
  'what retention has taken is no part of the stream: it begins with what is kept, and an offset before is 410',
  withDatabase(async (t, database) => {
    const psql = await database.psql();
    const writing = await startInstance(database.url);
    const send = (instance: Instance, path: string) => senderTo(instance.address)('GET', `/streams/${path}`);
    const early = offsetOf(await send(writing, 'tasks?offset=now'));
    await psql.query(`INSERT INTO tasks (title) SELECT 'old' FROM generate_series(1, 5)`);
    await until(async () => Number(await readValue(psql, 'SELECT max(position) FROM feed.events')) === 5);
    await writing.stop();
    const instance = await startInstance(database.url, { EVENT_RETENTION: '1s' });
    t.teardown(instance.stop);
    await until(async () => Number(await readValue(psql, 'SELECT floor FROM feed.log')) === 5);
    for (const live of ['', '&live=long-poll', '&live=sse'])
      t.like(await send(instance, `tasks?offset=${early}${live}`), {
        status: 410,
        body: { reason: 'retention' },
      });
    const begun = await send(instance, 'tasks?offset=-1');
    t.like(begun, { status: 200, body: [] });
    t.true(offsetOf(begun) > early);
  }),
);

test.serial(
  'when PostgreSQL has been started anew an event stream says at once where to go on; in another log it ends, and that is 410',
  withDatabase(async (t, database) => {
    const psql = await database.psql();
    const instance = await startInstance(database.url);
    t.teardown(instance.stop);
    const { next } = await open(t, instance.address, 'tasks?offset=now&live=sse');
    const logOf = (block: Block) => block.data.streamNextOffset.split('_')[1];
    const begun = await next();
    // As at a new start of the server, see feed.take_up_log().
    await psql.query(`
      BEGIN;
      INSERT INTO feed.epochs (id, last_position) SELECT id, 0 FROM feed.log;
      SELECT feed.begin_epoch();
      COMMIT`);
    let told = await next();
    while (logOf(told) === logOf(begun)) told = await next();
    t.is(told.event, 'control');
    const send = senderTo(instance.address);
    const read = ({ data }: Block) => send('GET', `/streams/tasks?offset=${data.streamNextOffset}`);
    t.like(await read(begun), { status: 200, body: [] });
    await psql.query('SELECT feed.new_log()');
    for (let block: Block | undefined = told; block; block = await next()) t.is(block.event, 'control');
    t.like(await read(told), { status: 410, body: { reason: 'other_log' } });
  }),
);
