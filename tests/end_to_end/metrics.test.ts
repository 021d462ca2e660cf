// /metrics of a whole instance: a scrape after real events tells of them.
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import test, { type TestFn } from 'ava';
import { type Context, startInstance, withInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';
import { until } from '../helpers/until.ts';

const it = test as TestFn<Context>;
withInstance(it);

/** Every sample by its name and labels. */
async function scrape(address: string): Promise<Map<string, number>> {
  const response = await fetch(`${address}/metrics`);
  const lines = (await response.text()).split('\n').filter(line => line !== '' && !line.startsWith('#'));
  return new Map(lines.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
}

it.serial('a scrape tells of the events, sockets, requests and connections there were', async t => {
  const { address } = t.context.instance;
  await until(async () => (await scrape(address)).get('taskwire_sequencer_leader') === 1);
  const socket = openSocket(address, '/ws/tasks');
  await socket.next();
  const psql = await t.context.database.psql();
  await psql.query("INSERT INTO tasks (title) SELECT 'task ' || n FROM generate_series(1, 3) AS n");
  const { id } = (await (
    await fetch(`${address}/tasks`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"title":"one more"}',
    })
  ).json()) as { id: string };
  await fetch(`${address}/tasks/${id}`);
  await fetch(`${address}/nothing/${id}`);
  await socket.events(4);

  const metrics = await until(async () => {
    const found = await scrape(address);
    return found.get('taskwire_relay_position') === 4 ? found : undefined;
  });
  const value = (name: string) => metrics.get(name);
  t.is(value('taskwire_events_total{type="task_created"}'), 4);
  t.is(value('taskwire_event_latency_seconds_count'), 4);
  t.is(value('taskwire_event_latency_seconds_bucket{le="30"}'), 4);
  t.is(value('taskwire_sequencer_batch_events_sum'), 4);
  t.true((value('taskwire_sequencer_look_seconds_count') ?? 0) >= 1);
  t.is(value('taskwire_sequencer_lag_seconds'), 0);
  t.is(value('taskwire_log_head'), 4);
  t.is(value('taskwire_database_up'), 1);
  t.true((value('taskwire_notification_queue_ratio') ?? 1) < 0.1);
  t.is(value('taskwire_sockets_open'), 1);
  t.is(value('taskwire_pool_size'), 10);
  t.is(value('taskwire_pool_waiting'), 0);
  const requests = (labels: string) => value(`taskwire_http_request_seconds_count{${labels}}`);
  t.is(requests('method="POST",route="/tasks",status="201"'), 1);
  t.is(requests('method="GET",route="/tasks/:id",status="200"'), 1);
  t.is(requests('method="GET",route="unmatched",status="404"'), 1);
  t.true((value('process_resident_memory_bytes') ?? 0) > 0);
  socket.drop();
});

it.serial('runs are counted by kind and status', async t => {
  const { address } = t.context.instance;
  await fetch(`${address}/task-generator/run?wait=30`, { method: 'POST' });
  const metrics = await scrape(address);
  t.is(metrics.get('taskwire_runs{kind="task_generator",status="succeeded"}'), 1);
});

it.serial('a client that is not on this machine, or asks through a proxy, gets 403', async t => {
  const { address } = t.context.instance;
  for (const name of ['X-Forwarded-For', 'Forwarded', 'X-Real-IP', 'Via', 'X-Forwarded-Host']) {
    const answer = await fetch(`${address}/metrics`, { headers: { [name]: 'for=203.0.113.7' } });
    t.is(answer.status, 403);
    t.is(answer.headers.get('content-type'), 'application/problem+json');
  }
  const outside = Object.values(networkInterfaces())
    .flat()
    .find(each => each?.family === 'IPv4' && !each.internal);
  if (!outside) return t.log('this machine has no address but loopback');
  const open = await startInstance(t.context.database.url, { HOST: '0.0.0.0', AUTH: 'none' });
  t.teardown(() => open.stop());
  const { port } = new URL(open.address);
  t.is((await fetch(`http://${outside.address}:${port}/metrics`)).status, 403);
  t.is((await fetch(`http://127.0.0.1:${port}/metrics`)).status, 200);
});

it.serial('a scrape says which version runs, and its names are as Prometheus wants them', async t => {
  const { address } = t.context.instance;
  const text = await (await fetch(`${address}/metrics`)).text();
  const { version } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  t.true(text.includes(`taskwire_build_info{version="${version}",node="${process.version}"} 1`));
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => ({
    name,
    type,
  }));
  t.true(types.length > 30);
  // The rules that `promtool check metrics` has: only counters end in _total, and all of them; _count, _sum and _bucket
  // are a histogram's own; units are base units; every one has a help.
  const wrong = types.filter(
    ({ name, type }) =>
      (type === 'counter') !== name.endsWith('_total') ||
      /_(count|sum|bucket)$/.test(name) ||
      /(milliseconds|minutes|hours|_ms|kilobytes|megabytes)/.test(name) ||
      !text.includes(`# HELP ${name} `),
  );
  t.deepEqual(wrong, []);
});
