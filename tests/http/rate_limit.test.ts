// How much a client may ask for, and what it is told of it. The time is the test's own.
import test from 'ava';
import { createMetricsOperations } from '../../src/http/system/metrics_operations.ts';
import { addressOf } from '../../src/web/client.ts';
import { createRateLimit } from '../../src/web/rate_limit.ts';
import { ownApi } from '../helpers/http.ts';

const QUOTA = 120; // two a second

function limited() {
  const clock = { now: 0, refused: 0, client: 'one' };
  const rateLimit = createRateLimit({
    quota: QUOTA,
    clientOf: () => clock.client,
    refused: () => clock.refused++,
    now: () => clock.now,
  });
  return { clock, rateLimit };
}

const left = (headers: Headers) => Number(/;r=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1]);

test('every answer tells what a client may ask for and what is left: reading costs 1, writing and searching 5, a batch its operations', async t => {
  const { rateLimit } = limited();
  const { send } = await ownApi(t, { rateLimit });
  const task = { title: 'Water the plants' };
  const created = await send('POST', '/tasks', task);
  t.is(created.status, 201);
  t.is(created.headers.get('ratelimit-policy'), '"default";q=120;w=60');
  t.is(created.headers.get('ratelimit'), '"default";r=115;t=3');
  const { id } = created.body;
  const operations = Array.from({ length: 20 }, () => ({ op: 'create', task }));
  const costs: [string, string, unknown, number][] = [
    ['GET', `/tasks/${id}`, undefined, 1],
    ['HEAD', '/tasks', undefined, 1],
    ['GET', '/tasks?status=todo', undefined, 1],
    ['GET', '/tasks?q=plants', undefined, 5],
    ['GET', '/tasks?as_of=1', undefined, 5],
    ['PATCH', `/tasks/${id}`, { title: 'Water them all' }, 5],
    ['POST', '/tasks', { title: 'refused, and paid for', no_such_field: 1 }, 5],
    ['POST', '/tasks/batch', { operations: operations.slice(0, 2) }, 5],
    ['POST', '/tasks/batch', { operations }, 20],
    ['DELETE', `/tasks/${id}`, undefined, 5],
    ['GET', '/problems', undefined, 1],
  ];
  let before = left(created.headers);
  for (const [method, path, body, cost] of costs) {
    const { headers } = await send(method, path, body);
    const after = headers.has('ratelimit') ? left(headers) : undefined;
    if (path === '/problems')
      t.is(after, undefined, 'what caches keep tells nobody what is left to another client');
    else t.is(before - (after ?? 0), cost, `${method} ${path}`);
    before = after ?? before - cost;
  }
});

test('a client that asks for too much is refused before anything is done, told when to come back, and served again then', async t => {
  const { clock, rateLimit } = limited();
  const { send, psql } = await ownApi(t, { rateLimit });
  const write = (title: string) => send('POST', '/tasks', { title });
  for (let n = 0; n < QUOTA / 5; n++) t.is((await write(`task ${n}`)).status, 201);
  const refused = await write('one too many');
  t.is(refused.status, 429);
  t.is(refused.body.type, '/problems/too-many-requests');
  t.is(refused.headers.get('retry-after'), '3');
  t.is(refused.headers.get('ratelimit'), '"default";r=0;t=60');
  t.is(clock.refused, 1);
  const { rows } = await psql.query('SELECT count(*)::integer FROM tasks');
  t.is(rows[0].count, QUOTA / 5);

  clock.now = 2_400;
  t.is((await write('too early')).status, 429);
  t.is((await send('GET', '/tasks')).status, 200, 'what costs less comes sooner');
  clock.now = 3_000;
  t.is((await write('in time')).status, 201);
  clock.now = 600_000;
  t.is(left((await send('GET', '/tasks')).headers), QUOTA - 1, 'a bucket holds no more than its quota');
});

test('what one client has used up is there for every other one', async t => {
  const { clock, rateLimit } = limited();
  const { send } = await ownApi(t, { rateLimit });
  const all = {
    operations: Array.from({ length: QUOTA }, (_, n) => ({ op: 'create', task: { title: `task ${n}` } })),
  };
  t.is((await send('POST', '/tasks/batch', all)).status, 200);
  t.is((await send('GET', '/tasks')).status, 429);
  clock.client = 'another';
  t.is((await send('GET', '/tasks')).status, 200);
});

test('a batch that is dearer than a whole bucket takes a whole one', async t => {
  const { rateLimit } = limited();
  const { send } = await ownApi(t, { rateLimit });
  const operations = Array.from({ length: QUOTA + 10 }, (_, n) => ({
    op: 'create',
    task: { title: `task ${n}` },
  }));
  const { status, headers } = await send('POST', '/tasks/batch', { operations });
  t.is(status, 200);
  t.is(left(headers), 0);
});

test('health and metrics are never refused and cost nothing', async t => {
  const { rateLimit } = limited();
  const metrics = createMetricsOperations({ scrape: async () => ({ type: 'text/plain', text: '' }) });
  const { send } = await ownApi(t, { rateLimit, operations: () => metrics });
  while ((await send('GET', '/tasks')).status === 200);
  for (const path of ['/health/live', '/health/ready', '/metrics']) {
    const { status, headers } = await send('GET', path);
    t.is(status, 200, path);
    t.false(headers.has('ratelimit'), path);
  }
});

test("a browser's stream that asks too often is ended, not refused: it comes back by itself", async t => {
  const { rateLimit } = limited();
  const { send, request } = await ownApi(t, { rateLimit });
  while ((await send('GET', '/tasks')).status === 200);
  const answer = await request('/tasks', { headers: { Accept: 'text/event-stream' } });
  t.is(answer.status, 200);
  t.regex(await answer.text(), /^: this costs 1, and less is left .*\n\n$/);
});

test('a bucket that is full again, or was not used for longest among very many, is forgotten', t => {
  const { clock, rateLimit } = limited();
  const said: Record<string, string> = {};
  const ctx = { req: {}, set: (fields: object) => Object.assign(said, fields) } as unknown as Parameters<
    typeof rateLimit.charge
  >[0];
  clock.client = 'greedy';
  rateLimit.charge(ctx, QUOTA);
  for (let n = 0; n < 50_000; n++) {
    clock.client = `client ${n}`;
    rateLimit.charge(ctx, 1);
  }
  clock.client = 'greedy';
  rateLimit.charge(ctx, 1);
  t.is(said.RateLimit, '"default";r=119;t=1');
});

test('a client is its address: of IPv6 the network, whose hosts choose the rest', t => {
  const of = (remoteAddress: string) =>
    addressOf({ socket: { remoteAddress } } as Parameters<typeof addressOf>[0]);
  t.is(of('::ffff:192.0.2.7'), of('192.0.2.7'));
  t.is(of('2001:db8:1:2:3:4:5:6'), of('2001:db8:1:2::1'));
  t.is(of('fe80::1%eth0'), of('fe80::2%eth0'));
  t.not(of('2001:db8:1:2::1'), of('2001:db8:1:3::1'));
  t.not(of('192.0.2.7'), of('192.0.2.8'));
  t.is(of('::1'), '0:0:0:0::/64');
});
