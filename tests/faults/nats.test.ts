// Services and NATS are killed again and again, as by a power failure, in the middle of everything: in the end the stream
// holds every event once, in order. NATS_EVENTS=50000 makes it a long one; TEST_SEED repeats a schedule.
import type { ExecutionContext } from 'ava';
import type pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import {
  createTestNats,
  lastPosition,
  makeEventStream,
  natsTest,
  readStream,
  type TestNats,
  untilPosition,
} from '../helpers/nats.ts';
import { readMetric } from '../helpers/nats_scene.ts';
import { type Running, startService } from '../helpers/process.ts';
import { createRandom, type Random } from '../helpers/random.ts';
import { readValue } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const EVENTS = Number(process.env.NATS_EVENTS ?? 4_000);
const LARGEST = 200; // tasks in a transaction

interface World {
  database: TestDatabase;
  nats: TestNats;
  services: Running[];
  random: Random;
  psql: pg.Client;
}

/** Two services as processes, and a stream whose server remembers ids for as short a time as it can. */
async function createWorld(t: ExecutionContext): Promise<World> {
  const random = createRandom(t.log);
  const [database, nats] = await Promise.all([createTestDatabase(), createTestNats()]);
  await makeEventStream(nats, { duplicate_window: 100_000_000 });
  const world = { database, nats, services: [] as Running[], random, psql: await database.psql() };
  for (let count = 0; count < 2; count++) world.services.push(await startOne(world));
  t.teardown(async () => {
    for (const service of world.services) await service.kill();
    await nats.drop();
    await database.drop();
  });
  return world;
}

function startOne({ database, nats }: Pick<World, 'database' | 'nats'>): Promise<Running> {
  return startService(database.url, { NATS_URL: nats.url, RATES_CRON: 'off' });
}

/** Writes so many events in all, in transactions of random sizes; some are rolled back. */
async function write({ psql, random }: World, events: number): Promise<void> {
  for (let left = events; left > 0; ) {
    const count = Math.min(left, 1 + random.below(LARGEST));
    await psql.query('BEGIN');
    await psql.query(`INSERT INTO tasks (title) SELECT 'a task' FROM generate_series(1, $1::integer)`, [
      count,
    ]);
    const isKept = random.chance(0.9);
    await psql.query(isKept ? 'COMMIT' : 'ROLLBACK');
    if (isKept) left -= count;
  }
}

/** Kills the service that publishes, and starts another one. */
async function killPublisher(world: World): Promise<void> {
  const { services } = world;
  const publisher = await until(async () => {
    for (const service of services)
      if ((await readMetric(service, 'taskwire_nats_bridge_leader')) === 1) return service;
    return undefined;
  });
  await publisher.kill();
  services.splice(services.indexOf(publisher), 1, await startOne(world));
}

/** Kills NATS; it comes back once `meanwhile` is done. */
async function killNats({ nats }: World, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
  await nats.end('SIGKILL');
  await meanwhile();
  await nats.start();
}

/** The stream against the log: each position once, in order, with what the log has under it. */
async function holdsLog(t: ExecutionContext, { nats, psql }: World): Promise<void> {
  const head = await readValue<number>(psql, 'SELECT count(*)::integer FROM tasks');
  await untilPosition(nats, head);
  const { rows } = await psql.query(
    'SELECT position::text, subject, transaction::text FROM feed.events AS e ORDER BY e.position',
  );
  const found = await readStream(nats);
  const wrong = rows.findIndex((row, index) => {
    const { id, body } = found[index] ?? { id: '', body: '{}' };
    const { position, subject, transaction } = JSON.parse(body);
    return (
      row.position !== id ||
      Number(id) !== position ||
      row.subject !== subject ||
      row.transaction !== transaction
    );
  });
  t.is(wrong, -1, JSON.stringify({ log: rows[wrong], stream: found[wrong] }));
  t.is(found.length, head);
  t.is(found.at(-1)?.sequence, head); // nothing was taken twice and then removed
}

natsTest(
  `services killed three times and NATS twice, with ${EVENTS} events: each once, in order`,
  async t => {
    t.timeout(10 * 60_000);
    const world = await createWorld(t);
    const { nats, random } = world;
    const faults = [killPublisher, killNats, killPublisher, killNats, killPublisher]
      .map(fault => ({ fault, at: random.below(10) }))
      .toSorted((one, other) => one.at - other.at);
    const started = performance.now();
    const writing = write(world, EVENTS);
    for (const [index, { fault }] of faults.entries()) {
      await untilPosition(nats, Math.floor(((index + 0.5) * EVENTS) / faults.length));
      await fault(world);
    }
    await writing;
    await holdsLog(t, world);
    const seconds = (performance.now() - started) / 1_000;
    t.log(`${EVENTS} events, ${faults.map(({ fault }) => fault.name).join(', ')}: ${seconds.toFixed(1)} s`);
  },
);

natsTest(
  'NATS away for longer than it remembers ids, and the publisher killed meanwhile: each once, in order',
  async t => {
    t.timeout(10 * 60_000);
    const world = await createWorld(t);
    const { nats, random } = world;
    const rounds = 3;
    const half = Math.ceil(EVENTS / 2 / rounds);
    for (let round = 0; round < rounds; round++) {
      const writing = write(world, half);
      await untilPosition(nats, (await lastPosition(nats)) + 1 + random.below(Math.ceil(half / 2)));
      await killNats(world, async () => {
        await writing;
        await write(world, half); // far more than 0.1 s
        const [first] = world.services;
        if (random.chance(0.5) && first) {
          await first.kill();
          world.services.splice(0, 1, await startOne(world));
        }
      });
      await holdsLog(t, world);
    }
  },
);
