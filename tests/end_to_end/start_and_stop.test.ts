// How an instance starts and stops: it takes no request before it can work, and leaves no client without an answer.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import anyTest, { type TestFn } from 'ava';
import { createTestDatabase } from '../helpers/database.ts';
import { type Context, startInstance, withInstance } from '../helpers/instance.ts';
import { findLastingPort } from '../helpers/port.ts';
import { openSocket } from '../helpers/socket.ts';
import { until } from '../helpers/until.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

const TASK = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"title":"late"}' };

test('for STOP_DELAY seconds it serves, while readiness says no and each answer ends its connection', async t => {
  const instance = await startInstance(t.context.database.url, { STOP_DELAY: '1' });
  const socket = openSocket(instance.address, '/ws/tasks');
  t.is((await socket.next()).type, 'ready');
  const stopped = instance.stop();
  const ready = await fetch(`${instance.address}/health/ready`);
  t.is(ready.status, 503);
  t.deepEqual(await ready.json(), {
    status: 'unavailable',
    reasons: ['the instance is stopping'],
    runbook: ['docs/operations/runbook.md#the-instance-is-stopping'],
  });
  t.is((await fetch(`${instance.address}/health/live`)).status, 200);
  const made = await fetch(`${instance.address}/tasks`, TASK);
  t.deepEqual([made.status, made.headers.get('connection')], [201, 'close']);
  t.is((await socket.event()).subject, ((await made.json()) as { id: string }).id);
  t.is((await socket.closed).code, 1001);
  await stopped;
  await t.throwsAsync(fetch(`${instance.address}/health/live`));
});

test('a client that waits for the end of a run is answered when the instance stops', async t => {
  const asked = Promise.withResolvers<void>();
  const bank = createServer(() => asked.resolve()); // and no answer
  bank.listen(0, '127.0.0.1');
  await once(bank, 'listening');
  t.teardown(() => {
    bank.closeAllConnections();
    bank.close();
  });
  const database = await createTestDatabase(); // no other instance takes the run
  t.teardown(database.drop);
  const instance = await startInstance(database.url, {
    RATES_URL: `http://127.0.0.1:${(bank.address() as AddressInfo).port}/`,
  });
  const waiting = fetch(`${instance.address}/currencies/refresh?wait=30`, { method: 'POST' });
  await asked.promise;
  await instance.stop();
  const { status, headers } = await waiting;
  t.deepEqual([status, headers.get('connection')], [202, 'close']);
});

test('a socket that is sent away finds nobody where it came from', async t => {
  const instance = await startInstance(t.context.database.url);
  const socket = openSocket(instance.address, '/ws/tasks');
  await socket.next();
  const stopped = instance.stop();
  t.is((await socket.closed).code, 1001);
  const again = openSocket(instance.address, '/ws/tasks');
  t.is((await again.closed).code, 1006);
  await t.throwsAsync(again.next());
  await stopped;
});

test('an instance whose database is there takes no request until it can work', async t => {
  const PORT = String(await findLastingPort());
  const ask = () => fetch(`http://127.0.0.1:${PORT}/health/ready`).then(({ status }) => status);
  const starting = startInstance(t.context.database.url, { PORT });
  t.is(await until(() => ask().catch(() => undefined)), 200); // the first that is answered at all
  await (await starting).stop();
});
