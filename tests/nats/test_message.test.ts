// POST /test/nats: a message for trying it, where that is allowed.
import test from 'ava';
import { createTestDatabase } from '../helpers/database.ts';
import { read } from '../helpers/http.ts';
import { startInstance } from '../helpers/instance.ts';
import { natsTest, untilPosition } from '../helpers/nats.ts';
import { withNats } from '../helpers/nats_scene.ts';
import { until } from '../helpers/until.ts';

const post = async (address: string, query: string) =>
  read(await fetch(`${address}/test/nats${query}`, { method: 'POST' }));

natsTest(
  'a message is published, taken, and becomes a currency and an event',
  withNats(async (t, { nats, start }) => {
    const { address } = await start();
    const answer = await until(
      () => post(address, '?currency=USD&rate=100'),
      ({ status }) => status !== 503, // its stream is not made yet
    );
    t.is(answer.status, 202);
    t.like(answer.body, {
      subject: 'taskwire.currencies.ingest',
      stream: 'taskwire_ingest',
      sequence: 1,
      message: { currency: 'USD', rate: '100' },
    });
    await untilPosition(nats, 1);
    const { body } = await read(await fetch(`${address}/currencies/USD`));
    t.like(body, { currency: 'USD', rate: '100', source: 'nats' });
    t.regex(body.timestamp, /\.\d{6}Z$/);
    t.is(body.timestamp, answer.body.message.timestamp);
  }),
);

natsTest(
  'what is missing, wrong or unknown is named; with NATS away it is 503',
  withNats(async (t, { nats, start }) => {
    const { address } = await start();
    const wrong = await post(address, '?currency=dollar&rates=1');
    t.is(wrong.status, 400);
    t.deepEqual(wrong.body.errors.map(({ path }: { path: string }) => path).toSorted(), [
      'currency',
      'rate',
      'rates',
    ]);
    t.is(wrong.body.errors.find(({ path }: { path: string }) => path === 'rate').message, 'is required');
    await nats.end('SIGKILL');
    const away = await post(address, '?currency=USD&rate=100');
    t.is(away.status, 503);
    t.is(away.headers.get('retry-after'), '1');
    t.regex(away.body.type, /broker-unavailable$/);
  }),
);

natsTest(
  'in production it is 404, and says so',
  withNats(async (t, { start }) => {
    const { address } = await start({ NODE_ENV: 'production' });
    const { status, body } = await post(address, '?currency=USD&rate=100');
    t.is(status, 404);
    t.is(body.detail, 'there are no tests in production');
  }),
);

test('without NATS it is 404, and says what is missing', async t => {
  const database = await createTestDatabase();
  const instance = await startInstance(database.url);
  const { status, body } = await post(instance.address, '?currency=USD&rate=100');
  t.is(status, 404);
  t.regex(body.detail, /NATS_URL/);
  await instance.stop();
  await database.drop();
});
