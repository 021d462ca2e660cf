// While the database is away every request is told so and when to come back; once it is there, all goes on.
import test, { type ExecutionContext } from 'ava';
import { createCable } from '../helpers/cable.ts';
import { startTestApi } from '../helpers/http.ts';

async function apiOnCable(t: ExecutionContext) {
  const cable = await createCable(new URL(process.env.TEST_SERVER_URL ?? ''));
  const api = await startTestApi({ databaseUrl: cable.through });
  t.teardown(async () => {
    await api.close();
    cable.cut();
  });
  return { api, cable };
}

test('while the database is away every request is 503, and afterwards works again', async t => {
  const { api, cable } = await apiOnCable(t);
  const { body: task } = await api.send('POST', '/tasks', { title: 'before' });
  const path = `/tasks/${task.id}`;
  cable.cut();
  for (const [method, target, body] of [
    ['GET', '/tasks'],
    ['GET', path],
    ['POST', '/tasks', { title: 'lost' }],
    ['PATCH', path, { title: 'lost' }],
    ['DELETE', path],
  ] as const) {
    const answer = await api.send(method, target, body);
    t.is(answer.status, 503, `${method} ${target}`);
    t.is(answer.body.type, '/problems/unavailable');
    t.is(answer.headers.get('retry-after'), '1');
  }
  cable.mend();
  t.deepEqual((await api.send('GET', '/tasks')).body.data, [task]);
});

test('that the database is away is logged once, and so is its return, with a line for each request between', async t => {
  const { api, cable } = await apiOnCable(t);
  await api.send('GET', '/tasks');
  for (let round = 0; round < 2; round++) {
    cable.cut();
    for (let count = 0; count < 5; count++) t.is((await api.send('GET', '/tasks')).status, 503);
    cable.mend();
    for (let count = 0; count < 2; count++) t.is((await api.send('GET', '/tasks')).status, 200);
  }
  const said = api.log.map(({ level, msg, status }) => `${level} ${msg}${status ? ` ${status}` : ''}`);
  const request = (status: number, count: number) => Array(count).fill(`30 request ${status}`);
  const round = [
    '40 the database is away',
    ...request(503, 5),
    '30 the database is back',
    ...request(200, 2),
  ];
  t.deepEqual(said, [...request(200, 1), ...round, ...round]);
});

test('why it is away is logged from the outside in, and nothing twice', async t => {
  const { api, cable } = await apiOnCable(t);
  cable.cut();
  await api.send('GET', '/tasks');
  const { err } = api.log.find(({ msg }) => msg === 'the database is away') ?? {};
  const said = (err as { message: string }).message.split(': ');
  t.deepEqual(said.slice(0, 2), ['no connection could be opened', 'the database cannot be reached']);
  t.deepEqual(said, [...new Set(said)]);
  cable.mend();
});

test('what needs no database is answered while it is away', async t => {
  const { api, cable } = await apiOnCable(t);
  cable.cut();
  t.is((await api.send('POST', '/tasks', { title: '' })).status, 422);
  t.is((await api.send('GET', '/tasks/not-a-uuid')).status, 404);
  t.is((await api.send('GET', '/health/live')).status, 200);
  cable.mend();
});

test('readiness follows the database', async t => {
  const { api, cable } = await apiOnCable(t);
  const ready = () => api.send('GET', '/health/ready');
  t.like(await ready(), { status: 200, body: { status: 'ok' } });
  cable.cut();
  const away = await ready();
  t.is(away.status, 503);
  t.deepEqual(away.body, {
    status: 'unavailable',
    reasons: ['the database is away; try again'],
    runbook: ['docs/operations/runbook.md#the-database-is-away'],
  });
  cable.mend();
  t.is((await ready()).status, 200);
});

// Skipped as long as the pool can forget who waits: slonik's acquire() leaves its queue to itself when the connections
// that were being made for others fail, until some later request gets one.
test('requests that are under way when the connection breaks get 503, never 500', async t => {
  const { api, cable } = await apiOnCable(t);
  for (let round = 0; round < 5; round++) {
    const answers = Array.from({ length: 40 }, (_, i) =>
      i % 2 === 0 ? api.send('POST', '/tasks', { title: `round ${round}` }) : api.send('GET', '/tasks'),
    );
    await Promise.race(answers);
    cable.cut();
    const statuses = (await Promise.all(answers)).map(answer => answer.status);
    t.true(
      statuses.every(status => [200, 201, 503].includes(status)),
      String(statuses),
    );
    cable.mend();
  }
  t.is((await api.send('GET', '/tasks')).status, 200);
});
