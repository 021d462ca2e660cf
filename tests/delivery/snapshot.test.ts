// Snapshot, then live: a client folds what it is sent and has the table.
import { randomUUID } from 'node:crypto';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type pg from 'pg';
import { createTestDatabase } from '../helpers/database.ts';
import { type Context, startInstance, withInstance } from '../helpers/instance.ts';
import { createRandom, type Random } from '../helpers/random.ts';
import { type Frame, openSocket, type TestSocket } from '../helpers/socket.ts';
import { readValue } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

type State = Map<string, Record<string, unknown>>;

interface SnapshotFrame extends Frame {
  topic: string;
  last: boolean;
  data: never;
}

// The state of one topic as the snapshot's frames tell it; each row may come once.
async function readSnapshot(socket: TestSocket, topic: string): Promise<{ state: State; position: number }> {
  const state: State = new Map();
  for (;;) {
    const frame = (await socket.next()) as SnapshotFrame;
    if (frame.type !== 'snapshot' || frame.topic !== topic) continue;
    for (const row of frame.data as Record<string, unknown>[]) {
      if (state.has(String(row.id))) throw new Error(`${row.id} came twice`);
      state.set(String(row.id), row);
    }
    if (frame.last) return { state, position: Number(frame.position) };
  }
}

function fold(state: State, event: Frame): void {
  const task = event.data?.task;
  if (!task) throw new Error(`no task in ${event.type}`);
  if (event.type === 'task_deleted') state.delete(String(task.id));
  else state.set(String(task.id), task);
}

async function foldUntil(socket: TestSocket, state: State, title: string): Promise<number[]> {
  const positions: number[] = [];
  for (;;) {
    const event = await socket.event();
    fold(state, event);
    positions.push(Number(event.position));
    if (event.data?.task?.title === title) return positions;
  }
}

async function table(psql: pg.Client): Promise<State> {
  const { rows } = await psql.query('SELECT id, feed.render(t) AS task FROM tasks AS t');
  return new Map(rows.map(({ id, task }) => [id, task]));
}

// One change of a random kind; concurrent ones pass over each other's rows.
async function change(psql: pg.Client, random: Random): Promise<void> {
  const some = `(SELECT id FROM tasks ORDER BY id OFFSET ${random.below(300)} LIMIT ${1 + random.below(5)} FOR UPDATE SKIP LOCKED)`;
  const kind = random.below(10);
  if (kind < 4) await psql.query(`INSERT INTO tasks (title) VALUES ('new')`);
  else if (kind < 8)
    await psql.query(`UPDATE tasks SET title = 'title ${random.below(9)}' WHERE id IN ${some}`);
  else await psql.query(`DELETE FROM tasks WHERE id IN ${some}`);
}

// An instance on a database of its own, for tests that change what others of this file rely on.
async function beginAlone(t: ExecutionContext<Context>): Promise<Context> {
  const database = await createTestDatabase();
  const instance = await startInstance(database.url);
  t.teardown(async () => {
    await instance.stop();
    await database.drop();
  });
  return { database, instance };
}

test('whenever it is taken while others write, a snapshot with what follows it is the table', async t => {
  const { instance, database } = await beginAlone(t);
  const random = createRandom(t.log);
  const psql = await database.psql();
  await psql.query(`INSERT INTO tasks (title) SELECT 'old ' || n FROM generate_series(1, 700) AS n`);
  const limiter = [random.fork(), random.fork()];
  for (let trial = 0; trial < 60; trial++) {
    let writing = true;
    const writers = limiter.map(async own => {
      const writer = await database.psql();
      while (writing) await change(writer, own);
      await writer.end();
    });
    const socket = openSocket(instance.address, '/ws/tasks?snapshot=true');
    const ready = await socket.next();
    const { state, position } = await readSnapshot(socket, 'tasks');
    t.is(position, Number(ready.head));
    writing = false;
    await Promise.all(writers);
    const end = randomUUID();
    await psql.query('INSERT INTO tasks (title) VALUES ($1)', [end]);
    const positions = await foldUntil(socket, state, end);
    t.true(positions.every((each, index) => each > (positions[index - 1] ?? position)));
    const now = await table(psql);
    t.deepEqual(new Map([...state].sort()), new Map([...now].sort()), `trial ${trial}`);
    socket.drop();
  }
});

test('a snapshot holds the rows that match the filter, and what enters and leaves follows', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  const label = randomUUID();
  const first = openSocket(instance.address, `/ws/tasks?label=${label}`);
  await first.next();
  await psql.query(`
    INSERT INTO tasks (title, labels, status)
    SELECT 'filtered ' || n, ARRAY['${label}'], CASE WHEN n % 2 = 0 THEN 'done' ELSE 'todo' END
    FROM generate_series(1, 20) AS n`);
  await first.events(20); // they have their positions now, and are before the head
  first.drop();
  const socket = openSocket(instance.address, `/ws/tasks?snapshot=true&label=${label}&status=todo`);
  const { state } = await readSnapshot(socket, 'tasks');
  t.is(state.size, 10);
  t.true([...state.values()].every(task => task.status === 'todo'));
  socket.drop();
  const [id] = state.keys();
  const one = openSocket(instance.address, `/ws/tasks?snapshot=true&subject=${id}`);
  const { state: alone } = await readSnapshot(one, 'tasks');
  t.deepEqual([...alone.values()], [state.get(String(id))]);
  one.drop();
});

test('/ws/events sends one snapshot per topic, told apart by its name', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  const { rows } = await psql.query('SELECT queue_run($1)', ['task_generator']);
  t.is(rows.length, 1);
  const socket = openSocket(instance.address, '/ws/events?snapshot=true');
  const topics = new Set<string>();
  for (let frame = (await socket.next()) as SnapshotFrame; topics.size < 3; ) {
    frame = (await socket.next()) as SnapshotFrame;
    t.is(frame.type, 'snapshot');
    if (frame.last) topics.add(frame.topic);
  }
  t.deepEqual(topics, new Set(['currencies', 'runs', 'tasks']));
  socket.drop();
});

// The topics of a socket's snapshots, all of which come before the first event.
async function topicsUntilEvent(socket: TestSocket): Promise<string[]> {
  const topics: string[] = [];
  for (let frame = await socket.next(); !frame.specversion; frame = await socket.next())
    if (frame.type === 'snapshot') topics.push((frame as SnapshotFrame).topic);
  return topics;
}

for (const [query, topic] of [
  ['topic=tasks', 'tasks'],
  ['topic=runs', 'runs'],
  ['type=task_created&type=task_deleted', 'tasks'],
  ['type=run_queued', 'runs'],
]) {
  test(`a topic that the filter leaves out sends no snapshot: ${query}`, async t => {
    const { instance, database } = t.context;
    const psql = await database.psql();
    const kind = `kind_${query?.replaceAll(/[^a-z]/g, '_')}`;
    const socket = openSocket(instance.address, `/ws/events?snapshot=true&${query}`);
    await socket.next();
    await psql.query(`INSERT INTO tasks (title) VALUES ('x'); INSERT INTO runs (kind) VALUES ('${kind}')`);
    t.deepEqual(new Set(await topicsUntilEvent(socket)), new Set([topic]));
    socket.drop();
  });
}

test('of a subject that is spelled otherwise than in the log /ws/events tells nothing, neither its state nor its changes', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  const id = '0198c0de-abcd-7000-8000-00000000000a';
  await psql.query(`INSERT INTO tasks (id, title) VALUES ('${id}', 'x')`);
  const earlier = openSocket(instance.address, `/ws/events?after=0&subject=${id}`);
  const { position } = await earlier.event();
  const [other, end] = [id.toUpperCase(), randomUUID()];
  const socket = openSocket(
    instance.address,
    `/ws/events?snapshot=true&topic=tasks&subject=${other}&subject=${end}`,
  );
  const { state, position: head } = await readSnapshot(socket, 'tasks');
  t.true(head >= Number(position));
  t.is(state.size, 0);
  await psql.query(
    `UPDATE tasks SET title = 'y' WHERE id = '${id}'; INSERT INTO tasks (id, title) VALUES ('${end}', 'x')`,
  );
  t.is((await socket.event()).subject, end);
  for (const each of [earlier, socket]) each.drop();
});

test('snapshots that wait for a locked table hold up nobody who catches up', async t => {
  const { instance, database } = await beginAlone(t);
  const [psql, person] = [await database.psql(), await database.psql()];
  await psql.query(`INSERT INTO tasks (title) SELECT 'x' FROM generate_series(1, 5000)`);
  const first = openSocket(instance.address, '/ws/tasks?after=0');
  await first.events(5_000); // they are in the log now, and no longer with the hub
  await person.query('BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE');
  const snapshots = [1, 2, 3].map(() => openSocket(instance.address, '/ws/tasks?snapshot=true'));
  for (const snapshot of snapshots) await snapshot.next();
  const waiting = async () =>
    (
      await psql.query(
        `SELECT pid, query_start::text FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%feed.snapshot_page%'`,
      )
    ).rows;
  const before = await until(waiting, rows => rows.length > 0);
  const socket = openSocket(instance.address, '/ws/tasks?after=0');
  t.is((await socket.events(5_000)).length, 5_000);
  t.deepEqual(await waiting(), before, 'the one that waited is the one that waits');
  await person.query('ROLLBACK');
  for (const snapshot of snapshots) t.is((await readSnapshot(snapshot, 'tasks')).state.size, 5_000);
  for (const each of [first, socket, ...snapshots]) each.drop();
});

test('a crowd whose snapshots begin before a bulk insert is numbered is served together', async t => {
  const { instance, database } = await beginAlone(t);
  const psql = await database.psql();
  await psql.query(`INSERT INTO tasks (title) SELECT 'before' FROM generate_series(1, 2000)`);
  await until(
    () => readValue(psql, 'SELECT max(position)::integer FROM feed.events'),
    head => head === 2_000,
  );
  const person = await database.psql();
  await person.query(`BEGIN; INSERT INTO tasks (title) SELECT 'bulk' FROM generate_series(1, 50000)`);
  const crowd = Array.from({ length: 100 }, () => openSocket(instance.address, '/ws/tasks?snapshot=true'));
  const committed = person.query('COMMIT');
  const began = performance.now();
  const seconds = () => Math.round((performance.now() - began) / 100) / 10;
  let pages = 0;
  const states = await Promise.all(
    crowd.map(async socket => {
      const { state, position } = await readSnapshot(socket, 'tasks');
      if (pages++ === 0) t.log(`the first snapshot is complete after ${seconds()} s`);
      socket.drop();
      return { size: state.size, position };
    }),
  );
  t.log(`the last one after ${seconds()} s`);
  await committed;
  for (const { size, position } of states) t.is(size, position);
});
