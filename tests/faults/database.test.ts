// PostgreSQL goes away under running instances: they recover by themselves, and no socket misses or repeats an event.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type pg from 'pg';
import { createEmbeddedPostgres } from '../../src/embedded/embedded.ts';
import { createLogger } from '../../src/logger.ts';
import { closeSession, openSession } from '../../src/postgres/session.ts';
import { createCable } from '../helpers/cable.ts';
import { createTestDatabase, SERVICE } from '../helpers/database.ts';
import { startInstance } from '../helpers/instance.ts';
import { findLastingPort } from '../helpers/port.ts';
import { createRandom } from '../helpers/random.ts';
import { openSocket, type TestSocket } from '../helpers/socket.ts';
import { until } from '../helpers/until.ts';

const logger = createLogger({ level: 'fatal', pretty: false });

async function insert(psql: pg.Client, title: string): Promise<string> {
  const { rows } = await psql.query('INSERT INTO tasks (title) VALUES ($1) RETURNING id', [title]);
  return rows[0].id;
}

async function positionsUpTo(socket: TestSocket, subject: string): Promise<number[]> {
  const positions: number[] = [];
  for (;;) {
    const event = await socket.event();
    positions.push(Number(event.position));
    if (event.subject === subject) return positions;
  }
}

test('PostgreSQL restarted: two instances recover, and every socket has every event once, in order', async t => {
  const dataDir = await mkdtemp(join(tmpdir(), 'taskwire-restart-'));
  const postgres = createEmbeddedPostgres({ dataDir, logger });
  await postgres.start();
  const instances = [await startInstance(postgres.url), await startInstance(postgres.url)];
  const sockets = instances.flatMap(({ address }) => [
    openSocket(address, '/ws/tasks?after=0'),
    openSocket(address, '/ws/tasks'),
  ]);
  for (const socket of sockets) await socket.next();

  const ids: string[] = [];
  for (let round = 0; round < 3; round++) {
    const psql = await openSession({ service: SERVICE, url: postgres.url, name: 'test' });
    for (let count = 0; count < 20; count++) ids.push(await insert(psql, `round ${round}`));
    await closeSession(psql);
    await postgres.stop();
    await postgres.start();
  }
  const psql = await openSession({ service: SERVICE, url: postgres.url, name: 'test' });
  ids.push(await insert(psql, 'last'));
  const expected = ids.map((_, index) => index + 1);
  for (const socket of sockets) t.deepEqual(await positionsUpTo(socket, ids.at(-1) ?? ''), expected);
  const { rows } = await psql.query('SELECT subject FROM feed.events ORDER BY position');
  t.deepEqual(
    rows.map(row => row.subject),
    ids,
  );
  t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);
  await closeSession(psql);
  for (const instance of instances) await instance.stop();
  await postgres.stop();
  await rm(dataDir, { recursive: true });
});

test('terminated backends, all of them, again and again: nothing is lost', async t => {
  const database = await createTestDatabase();
  const instances = [await startInstance(database.url), await startInstance(database.url)];
  const sockets = instances.map(({ address }) => openSocket(address, '/ws/tasks?after=0'));
  for (const socket of sockets) await socket.next();
  const psql = await database.psql();
  const ids: string[] = [];
  for (let round = 0; round < 5; round++) {
    for (let count = 0; count < 10; count++) ids.push(await insert(psql, `round ${round}`));
    await psql.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'taskwire test'`);
  }
  ids.push(await insert(psql, 'last'));
  const expected = ids.map((_, index) => index + 1);
  for (const socket of sockets) t.deepEqual(await positionsUpTo(socket, ids.at(-1) ?? ''), expected);
  for (const instance of instances) await instance.stop();
  await database.drop();
});

test('an instance that loses its connections while it starts begins again, and serves', async t => {
  const database = await createTestDatabase();
  t.teardown(database.drop);
  const random = createRandom(text => t.log(text));
  const psql = await database.psql();
  const others = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`;
  for (let trial = 0; trial < 4; trial++) {
    let starting = true;
    const start = startInstance(database.url).finally(() => {
      starting = false;
    });
    // The more statements are let through, the later in its start it is hit.
    for (let hits = 0; starting && hits < 3; hits++) {
      for (let statements = random.below(60); statements > 0; statements--) await psql.query('SELECT 1');
      await psql.query(others);
    }
    const instance = await start;
    const socket = openSocket(instance.address, '/ws/tasks?after=0');
    await socket.next();
    const id = await insert(psql, `trial ${trial}`);
    t.is((await positionsUpTo(socket, id)).length, trial + 1);
    socket.drop();
    await instance.stop();
  }
});

test('started while the database is away it lives, is not ready and answers 503; then it serves', async t => {
  const database = await createTestDatabase();
  const cable = await createCable(new URL(database.url));
  t.teardown(async () => {
    cable.cut();
    await database.drop();
  });
  cable.cut();
  const port = await findLastingPort();
  const address = `http://127.0.0.1:${port}`;
  const starting = startInstance(cable.through(database.url), { PORT: String(port) });
  const live = await until(() => fetch(`${address}/health/live`).catch(() => undefined));
  t.is(live.status, 200);
  const ready = await fetch(`${address}/health/ready`);
  t.is(ready.status, 503);
  t.deepEqual(((await ready.json()) as { reasons: string[] }).reasons, ['the database is away; try again']);
  const tasks = await fetch(`${address}/tasks`);
  t.deepEqual([tasks.status, tasks.headers.get('retry-after')], [503, '1']);
  t.is((await openSocket(address, '/ws/tasks').closed).code, 1006);
  cable.mend();
  const instance = await starting;
  t.is((await fetch(`${address}/tasks`)).status, 200);
  await instance.stop();
});
