// Instances that are restarted one after the other behind a proxy: none of their clients' requests fails.
import anyTest, { type ExecutionContext } from 'ava';
import { createTestDatabase } from '../helpers/database.ts';
import { findLastingPort } from '../helpers/port.ts';
import { startService } from '../helpers/process.ts';
import { HAPROXY, NGINX, startHaproxy, startProxy, type TestProxy } from '../helpers/proxy.ts';
import { until } from '../helpers/until.ts';

const ROUNDS = 2; // of a restart of each instance
const REQUESTS = 1_500;
const CLIENTS = 6;

type Addresses = readonly [string, string];

// A stand-in would show nothing. CI installs both.
const withNginx = NGINX === undefined ? anyTest.skip : anyTest;
const withHaproxy = HAPROXY === undefined ? anyTest.skip : anyTest;

// An instance that an operator stops and starts where it was.
async function startInstance(url: string, settings: Record<string, string>) {
  const environment = { ...settings, PORT: String(await findLastingPort()) };
  let running = await startService(url, environment);
  return {
    address: running.address,
    stop: () => running.stop(),
    restart: async () => {
      await running.stop();
      running = await startService(url, environment);
    },
  };
}

async function restartUnderLoad(
  t: ExecutionContext,
  settings: Record<string, string>,
  proxyTo: (addresses: Addresses) => Promise<TestProxy>,
  /** Resolves once the proxy sends requests to the instance again. */
  taken: (address: string) => Promise<void>,
): Promise<void> {
  t.timeout(180_000);
  const database = await createTestDatabase();
  const instances = [
    await startInstance(database.url, settings),
    await startInstance(database.url, settings),
  ] as const;
  const [first, second] = instances;
  const enough = new AbortController();
  t.teardown(async () => {
    enough.abort();
    await Promise.all(instances.map(instance => instance.stop()));
    await database.drop();
  });
  const proxy = await proxyTo([first.address, second.address]);
  t.teardown(proxy.stop);
  for (const { address } of instances) await taken(address);
  const outcomes = new Map<string, number>();
  const count = (outcome: string) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  const total = () => [...outcomes.values()].reduce((sum, each) => sum + each, 0);
  const clients = Array.from({ length: CLIENTS }, () => work(proxy.address, count, enough.signal));
  for (let round = 0; round < ROUNDS; round++)
    for (const instance of instances) {
      await instance.restart();
      await taken(instance.address);
    }
  await until(() => total() > REQUESTS);
  enough.abort();
  await Promise.all(clients);
  t.log(Object.fromEntries([...outcomes].sort()));
  t.deepEqual(
    [...outcomes.keys()].sort(),
    ['DELETE 204', 'GET 200', 'PATCH 200', 'POST 201'],
    JSON.stringify([...outcomes]),
  );
}

// Makes a task, reads it, changes it and takes it away, over and over.
async function work(address: string, count: (outcome: string) => void, enough: AbortSignal): Promise<void> {
  async function ask(method: string, path: string, body?: object): Promise<Record<string, unknown>> {
    const init = body && { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
    try {
      const response = await fetch(`${address}${path}`, { method, ...init });
      const text = await response.text();
      count(`${method} ${response.status}`);
      return response.ok && text !== '' ? JSON.parse(text) : {};
    } catch (error) {
      count(`${method} ${error instanceof Error ? (error.cause ?? error) : error}`);
      return {};
    }
  }
  while (!enough.aborted) {
    const { id } = await ask('POST', '/tasks', { title: 'made while instances come and go' });
    if (id === undefined) continue;
    await ask('GET', `/tasks/${id}`);
    await ask('PATCH', `/tasks/${id}`, { status: 'done' });
    await ask('DELETE', `/tasks/${id}`);
  }
}

withNginx('behind nginx.conf, a rolling restart fails no request, a POST neither', async t => {
  await restartUnderLoad(
    t,
    {},
    addresses => startProxy(addresses, text => t.log(text)),
    async () => {},
  );
});

withHaproxy('behind haproxy.cfg, a rolling restart fails no request, a POST neither', async t => {
  if (HAPROXY === undefined) return;
  const haproxy = HAPROXY;
  await restartUnderLoad(
    t,
    { STOP_DELAY: '3' },
    addresses => startHaproxy(haproxy, addresses),
    // It asks every second; an instance that it sends something to counts requests.
    async address => {
      await until(async () => (await requestsOf(address)) > 0);
    },
  );
});

async function requestsOf(address: string): Promise<number> {
  const text = await (await fetch(`${address}/metrics`)).text();
  return Number(
    /^taskwire_http_request_seconds_count\{method="GET",route="\/health\/ready",status="200"\} (\d+)$/m.exec(
      text,
    )?.[1] ?? 0,
  );
}
