// An EventSource goes on by itself: whatever becomes of the instance and its database, it is never dead for good.
import anyTest, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import type { Instance } from '../../src/instance/instance.ts';
import { createCable } from '../helpers/cable.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { type SourceClient, startChromium, startNode } from '../helpers/event_source.ts';
import { createTestInstance } from '../helpers/instance.ts';
import { findLastingPort } from '../helpers/port.ts';
import { CHROMIUM } from '../helpers/program.ts';
import { until } from '../helpers/until.ts';

// CI installs it.
const testInChromium = CHROMIUM === undefined && process.env.CI !== 'true' ? anyTest.skip : anyTest;

async function createScene(t: ExecutionContext) {
  const database = await createTestDatabase();
  const cable = await createCable(new URL(process.env.TEST_SERVER_URL ?? ''));
  const port = await findLastingPort();
  const lines: Record<string, unknown>[] = [];
  const logger = pino({ base: null }, { write: line => void lines.push(JSON.parse(line)) });
  let instance: Instance;
  const start = () => {
    instance = createTestInstance(cable.through(database.url), { PORT: String(port) }, logger);
    return { started: instance.start() };
  };
  t.teardown(async () => {
    await instance?.stop();
    cable.cut();
    await database.drop();
  });
  const psql = await database.psql();
  return {
    cable,
    address: `http://127.0.0.1:${port}`,
    start,
    stop: () => instance.stop(),
    insert: (title: string) => psql.query('INSERT INTO tasks (title) VALUES ($1)', [title]),
    /** How many streams were answered that there was nothing to tell in. */
    sentAway: () => lines.filter(({ path, msg }) => path === '/events/stream' && msg === 'request').length,
  };
}

async function goesOn(
  t: ExecutionContext,
  startClient: (address: string) => Promise<SourceClient>,
): Promise<void> {
  t.timeout(120_000);
  const { cable, address, start, stop, insert, sentAway } = await createScene(t);
  await start().started;
  const client = await startClient(address);
  t.teardown(client.close);
  const { heard } = client;
  const of = (name: string, type: string) => heard.filter(each => each.source === name && each.type === type);
  const titles = () => of('lasting', 'message').map(({ data = '' }) => JSON.parse(data).data.task.title);
  // One that is dead hears nothing any more.
  const comes = (look: () => boolean) =>
    until(() => look() || heard.some(({ state }) => state === 2) || undefined);
  const hears = (title: string) => comes(() => titles().includes(title));

  await client.open('lasting', '/events/stream');
  await comes(() => of('lasting', 'ready').length > 0);
  await insert('before');
  await hears('before');

  await stop();
  await insert('while it was stopped');
  await start().started;
  await hears('while it was stopped');

  await stop();
  cable.cut();
  const { started } = start(); // before its database
  await comes(() => sentAway() > 1); // it came, and came back
  await insert('while it waited for its database');
  cable.mend();
  await started;
  await hears('while it waited for its database');

  const before = sentAway();
  cable.cut();
  await client.open('begun while the database was away', '/events/stream?topic=tasks');
  await comes(() => sentAway() > before + 1);
  cable.mend();
  await comes(() => of('begun while the database was away', 'ready').length > 0);
  await insert('after');
  await hears('after');

  await client.open('lost', '/events/stream?after=999999999');
  await comes(() => of('lost', 'reset').length > 0);
  t.like(JSON.parse(of('lost', 'reset')[0]?.data ?? ''), { type: 'reset', reason: 'ahead' });

  t.deepEqual(titles(), ['before', 'while it was stopped', 'while it waited for its database', 'after']);
  t.deepEqual(
    heard.filter(({ state }) => state === 2),
    [],
  );
}

testInChromium(
  'Chromium’s EventSource hears everything once, through restarts and without a database',
  async t => {
    if (CHROMIUM === undefined) return t.fail('there is no Chromium, and CI must have one');
    const chromium = CHROMIUM;
    await goesOn(t, address => startChromium(chromium, address));
  },
);

anyTest('Node’s EventSource hears everything once, through restarts and without a database', async t => {
  await goesOn(t, startNode);
});
