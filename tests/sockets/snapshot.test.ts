// Snapshot, then live: a client folds what it is sent and has the table.
import { randomUUID } from 'node:crypto';
import anyTest, { type TestFn } from 'ava';
import type pg from 'pg';
import { type Context, withInstance } from '../helpers/instance.ts';
import { createRandom, type Random } from '../helpers/random.ts';
import { type Frame, openSocket, type TestSocket } from '../helpers/socket.ts';

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

test('whenever it is taken while others write, a snapshot with what follows it is the table', async t => {
  const { instance, database } = t.context;
  const random = createRandom(t.log);
  const psql = await database.psql();
  await psql.query(`INSERT INTO tasks (title) SELECT 'old ' || n FROM generate_series(1, 700) AS n`);
  const turns = [random.fork(), random.fork()];
  for (let trial = 0; trial < 60; trial++) {
    let writing = true;
    const writers = turns.map(async own => {
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
