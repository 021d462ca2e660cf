// The rates of a whole instance: asked for over REST, fetched from the bank, heard at the sockets.
import anyTest, { type TestFn } from 'ava';
import type { Instance } from '../../src/instance/instance.ts';
import { bankXml, MARCH, xml } from '../fixtures/bank.ts';
import { type SourceServer, startSource } from '../fixtures/source_server.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { senderTo } from '../helpers/http.ts';
import { startInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';

interface Context {
  database: TestDatabase;
  instance: Instance;
  bank: SourceServer;
}

const test = anyTest as TestFn<Context>;
test.beforeEach(async t => {
  const [database, bank] = await Promise.all([createTestDatabase(), startSource()]);
  const instance = await startInstance(database.url, { RATES_URL: `${bank.url}?key=secret` });
  t.context = { database, bank, instance };
});
test.afterEach.always(async t => {
  await t.context?.instance.stop();
  await t.context?.bank.close();
  await t.context?.database.drop();
});

test('a refresh brings the bank’s currencies, and the sockets hear of each once', async t => {
  const { instance, bank, database } = t.context;
  const send = senderTo(instance.address);
  const socket = openSocket(instance.address, '/ws/currencies');
  await socket.next();
  bank.answer(xml(bankXml('15.03.2022', MARCH)));
  const done = await send('POST', '/currencies/refresh?wait=30');
  t.is(done.status, 200);
  t.like(done.body, { kind: 'currency_rates', status: 'succeeded', fetched: 5, created: 5 });
  const location = done.headers.get('location') ?? '';
  t.is(location, `/currencies/refresh/runs/${done.body.id}`);
  t.deepEqual((await send('GET', location)).body, done.body);
  const heard = await socket.events(5);
  t.deepEqual(
    heard.map(({ data }) => data?.currency?.currency),
    ['AMD', 'AUD', 'USD', 'UZS', 'XDR'],
  );
  t.true(
    heard.every(
      ({ type, source, origin }) =>
        type === 'currency_created' && source === '/currencies' && origin === 'generator',
    ),
  );

  t.like((await send('POST', '/tasks/run?wait=30')).body, {
    kind: 'currency_rates',
    status: 'succeeded',
    created: 0,
    unchanged: 5,
  });
  t.like((await send('GET', '/currencies/refresh')).body, {
    sources: [{ name: 'cbr', url: bank.url.replace(/$/, '?…') }],
    schedule: null,
    next_run_at: null,
    last_run: { status: 'succeeded' },
  });
  t.is((await send('GET', '/currencies/refresh/runs')).body.data.length, 2);
  t.is((await send('GET', '/task-generator/runs')).body.data.length, 0);
  t.is((await send('GET', `/task-generator/runs/${done.body.id}`)).status, 404);

  bank.answer(xml('<html/>', 'text/html'));
  t.like((await send('POST', '/currencies/refresh?wait=30')).body, { status: 'failed' });
  await send('PATCH', '/currencies/USD', { rate: '120' });
  t.like(await socket.event(), { type: 'currency_updated', origin: 'rest' });
  const psql = await database.psql();
  t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);
});

test('/ws/currencies begins with a snapshot, and is filtered by type and subject; /events by topic', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  const send = senderTo(instance.address);
  const { body: usd } = await send('POST', '/currencies', { currency: 'USD', rate: '90' });
  const { body: eur } = await send('POST', '/currencies', { currency: 'EUR', rate: '100' });
  await openSocket(instance.address, '/ws/currencies?after=0').events(2);
  const whole = openSocket(instance.address, '/ws/currencies?snapshot=true');
  t.like(await whole.next(), { type: 'ready' });
  t.deepEqual(await whole.next(), {
    type: 'snapshot',
    topic: 'currencies',
    data: [usd, eur],
    position: 2,
    last: true,
  } as object);
  const deleted = openSocket(instance.address, '/ws/currencies?type=currency_deleted');
  const ofUsd = openSocket(instance.address, `/ws/currencies?subject=${usd.id}`);
  await Promise.all([deleted.next(), ofUsd.next()]);
  await psql.query(`INSERT INTO tasks (title) VALUES ('x')`);
  await psql.query(`UPDATE currencies SET rate = rate + 1; DELETE FROM currencies WHERE currency = 'EUR'`);
  t.deepEqual(
    (await whole.events(3)).map(({ type }) => type),
    ['currency_updated', 'currency_updated', 'currency_deleted'],
  );
  t.like(await deleted.event(), { type: 'currency_deleted', subject: eur.id });
  t.like(await ofUsd.event(), { type: 'currency_updated', subject: usd.id });
  const { body } = await send('GET', '/events?topic=currencies&after=2');
  t.deepEqual(
    body.data.map(({ source }: { source: string }) => source),
    Array(3).fill('/currencies'),
  );
  for (const query of ['subject=USD', 'status=todo', 'type=task_created'])
    t.like(await openSocket(instance.address, `/ws/currencies?${query}`).closed, { code: 4400 }, query);
});
