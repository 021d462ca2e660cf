// Files of an earlier time are put back, by hand, as a copy or as a base backup: the log's positions mean something else
// from there on. Clients who have seen what it lost are reset, all others go on; a mere restart resets no client.
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { createEmbeddedPostgres } from '../../src/embedded/embedded.ts';
import { createLogger } from '../../src/logger.ts';
import { closeSession, openSession } from '../../src/postgres/session.ts';
import { SERVICE } from '../helpers/database.ts';
import { read } from '../helpers/http.ts';
import { startInstance } from '../helpers/instance.ts';
import { openSocket, type TestSocket } from '../helpers/socket.ts';
import { until } from '../helpers/until.ts';

const logger = createLogger({ level: 'fatal', pretty: false });

async function startCluster(t: ExecutionContext) {
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-epochs-'));
  const [data, copy] = [join(folder, 'data'), join(folder, 'copy')];
  const postgres = createEmbeddedPostgres({ dataDir: data, settings: { fsync: 'off' }, logger });
  t.teardown(async () => {
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  });
  await postgres.start();
  const run = async (...statements: string[]) => {
    const session = await openSession({ service: SERVICE, url: postgres.url, name: 'test' });
    const results = [];
    for (const statement of statements) results.push((await session.query(statement)).rows);
    await closeSession(session);
    return results;
  };
  return {
    postgres,
    run,
    insert: (title: string, count: number) =>
      run(
        `INSERT INTO tasks (title) SELECT '${title} ' || number FROM generate_series(1, ${count}) AS number`,
      ),
    restart: async () => {
      await postgres.stop();
      await postgres.start();
    },
    /** Copies the files as they are. */
    save: () => cp(data, copy, { recursive: true }),
    /** Stops PostgreSQL and starts it on what was saved. */
    putBack: async (change = async (_: string) => {}) => {
      await postgres.stop();
      await rm(data, { recursive: true });
      await cp(copy, data, { recursive: true });
      await change(join(data, 'postgres'));
      await postgres.start();
    },
  };
}

/** Reads on until an event of this position came; what was told last is what a client would come back with. */
async function follow(socket: TestSocket, to: number) {
  const titles: string[] = [];
  let [position, log] = [0, ''];
  for (;;) {
    const frame = await socket.next();
    if (typeof frame.log === 'string') log = frame.log;
    if (frame.type === 'reset') return { reset: frame.reason, titles, position, log };
    if (!('specversion' in frame)) continue;
    position = Number(frame.position);
    titles.push(String(frame.data?.task?.title));
    if (position >= to) return { titles, position, log };
  }
}

const path = (after: number, log: string) => `/ws/tasks?after=${after}&log=${log}`;

test('a restart of PostgreSQL resets no client: live, coming back with what it was told last, or by pages', async t => {
  const cluster = await startCluster(t);
  const instances = [await startInstance(cluster.postgres.url), await startInstance(cluster.postgres.url)];
  const live = instances.map(({ address }) => openSocket(address, '/ws/tasks?after=0'));
  await cluster.insert('first', 3);
  const seen = await Promise.all(live.map(socket => follow(socket, 3)));
  const [before] = seen;
  t.truthy(before?.log);
  const address = instances[1]?.address ?? '';
  const waiting = fetch(`${address}/events?after=3&log=${before?.log}&wait=30`);

  for (let round = 1; round <= 2; round++) {
    await cluster.restart();
    await cluster.insert(`round ${round}`, 2);
    const told = await Promise.all(live.map(socket => follow(socket, 3 + 2 * round)));
    for (const each of told) {
      t.deepEqual(each.titles, [`round ${round} 1`, `round ${round} 2`]);
      t.not(each.log, before?.log, 'the epoch is told before the first event of it');
      const again = openSocket(address, path(each.position, each.log));
      t.like(await again.next(), { type: 'ready', log: each.log });
      again.drop();
    }
  }
  // Having seen all that there was at the restart, or less.
  for (const after of [3, 1]) {
    const socket = openSocket(address, path(after, before?.log ?? ''));
    const { titles, reset } = await follow(socket, 7);
    t.deepEqual([titles.length, reset], [7 - after, undefined]);
    socket.drop();
  }
  // A page that was waited for tells the epoch that its positions are of.
  const page = await waiting;
  const { body } = await read(page);
  const [[{ id: now }]] = (await cluster.run('SELECT id::text FROM feed.log')) as [[{ id: string }]];
  t.is(page.status, 200);
  const rest = await fetch(
    `${address}/events?after=${body.next_after}&log=${page.headers.get('taskwire-log')}`,
  );
  t.deepEqual([rest.status, rest.headers.get('taskwire-log')], [200, now]);
  for (const socket of live) socket.drop();
  for (const instance of instances) await instance.stop();
});

for (const [what, wait] of [
  ['a copy of the stopped server’s files', true],
  ['a copy that the instance finds numbered on', false],
] as const) {
  test(`${what} put back: who has seen what it lost is reset, the others go on`, async t => {
    const cluster = await startCluster(t);
    let instance = await startInstance(cluster.postgres.url);
    await cluster.insert('kept', 10);
    const first = openSocket(instance.address, '/ws/tasks?after=0');
    const { log: old } = await follow(first, 10);
    first.drop();
    await cluster.postgres.stop();
    await cluster.save();
    await cluster.postgres.start();
    await cluster.insert('lost', 10);
    const live = openSocket(instance.address, path(10, old));
    const seen = await follow(live, 20);
    t.is(seen.titles.length, 10);
    if (!wait) await instance.stop();

    await cluster.putBack();
    if (!wait) instance = await startInstance(cluster.postgres.url);
    await cluster.insert('new', 15);
    if (wait) t.truthy((await follow(live, 99)).reset);
    await until(async () => (await fetch(`${instance.address}/health/ready`)).status === 200);
    await until(
      async () => (await read(await fetch(`${instance.address}/events?after=24`))).body.data?.length,
    );
    // Positions that exist again, and that mean something else now.
    for (const after of [20, 18]) {
      const lost = openSocket(instance.address, path(after, seen.log));
      t.like(await lost.next(), { type: 'reset', reason: 'other_log' });
      const page = await fetch(`${instance.address}/events?after=${after}&log=${seen.log}`);
      t.deepEqual([page.status, (await read(page)).body.reason], [410, 'other_log']);
    }
    const beyond = openSocket(instance.address, path(11, old));
    t.like(await beyond.next(), { type: 'reset', reason: 'other_log' });
    for (const after of [10, 4]) {
      const kept = openSocket(instance.address, path(after, old));
      const { titles, reset } = await follow(kept, 25);
      t.deepEqual([titles.length, titles.at(-1), reset], [25 - after, 'new 15', undefined]);
      kept.drop();
    }
    t.deepEqual((await cluster.run('SELECT * FROM feed.verify()'))[0], []);
    await instance.stop();
  });
}

test('a base backup put back without recovery: who has seen what it lost is reset, the others go on', async t => {
  const cluster = await startCluster(t);
  const instance = await startInstance(cluster.postgres.url);
  await cluster.insert('kept', 10);
  const socket = openSocket(instance.address, '/ws/tasks?after=0');
  const { log } = await follow(socket, 10);
  const session = await openSession({ service: SERVICE, url: cluster.postgres.url, name: 'test' });
  await session.query(`SELECT pg_backup_start('test', true)`);
  await cluster.save();
  const { rows } = await session.query('SELECT labelfile FROM pg_backup_stop(false)');
  t.truthy(rows[0].labelfile);
  await closeSession(session);
  await cluster.insert('lost', 10);
  await follow(socket, 20);

  // Without its label: what an operator gets who copies the folder, or a snapshot of its disk.
  await cluster.putBack(folder => rm(join(folder, 'postmaster.pid'), { force: true }));
  await cluster.insert('new', 15);
  t.truthy((await follow(socket, 99)).reset);
  await until(async () => (await read(await fetch(`${instance.address}/events?after=24`))).body.data?.length);
  t.like(await openSocket(instance.address, path(18, log)).next(), {
    type: 'reset',
    reason: 'other_log',
  });
  const kept = openSocket(instance.address, path(10, log));
  const { titles, reset } = await follow(kept, 25);
  t.deepEqual([titles.length, titles.at(-1), reset], [15, 'new 15', undefined]);
  kept.drop();
  await instance.stop();
});
