// Every committed change reaches every subscriber exactly once and in order, whatever the writers and sockets do.
import anyTest, { type TestFn } from 'ava';
import type pg from 'pg';
import { type Context, withInstance } from '../helpers/instance.ts';
import { createRandom, type Random } from '../helpers/random.ts';
import { openSocket } from '../helpers/socket.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

const WRITERS = 16;
const TRANSACTIONS = 60;

interface LogRow {
  position: number;
  topic: string;
}

// One random transaction: changes, savepoints kept or rolled back, and at its end a commit or a rollback.
async function writeOne(psql: pg.Client, random: Random): Promise<void> {
  await psql.query('BEGIN');
  for (let step = 1 + random.below(5); step > 0; step--) {
    const savepoint = random.chance(0.3);
    if (savepoint) await psql.query('SAVEPOINT s');
    await changeSomething(psql, random);
    if (savepoint) await psql.query(random.chance(0.5) ? 'ROLLBACK TO SAVEPOINT s' : 'RELEASE SAVEPOINT s');
  }
  await psql.query(random.chance(0.25) ? 'ROLLBACK' : 'COMMIT');
}

async function changeSomething(psql: pg.Client, random: Random): Promise<void> {
  const kind = 1 + random.below(6);
  // Rows that others hold are passed over, so that random writers cannot deadlock.
  const some = `(SELECT id FROM tasks ORDER BY id OFFSET ${random.below(60)} LIMIT 1 FOR UPDATE SKIP LOCKED)`;
  if (kind <= 3)
    await psql.query(
      `INSERT INTO tasks (title) SELECT 'task' FROM generate_series(1, ${1 + random.below(3)})`,
    );
  else if (kind <= 5)
    await psql.query(`UPDATE tasks SET title = 'task ${random.below(5)}' WHERE id IN ${some}`);
  else await psql.query(`DELETE FROM tasks WHERE id IN ${some}`);
}

test.serial(
  'sixteen random writers, one socket from the start and ten that drop and resume: each event once, in order',
  async t => {
    const { instance, database } = t.context;
    const random = createRandom(t.log);
    const steady = openSocket(instance.address, '/ws/tasks');
    const { head: start } = await steady.next();

    let writing = true;
    const sleeper = await database.psql();
    await sleeper.query(`BEGIN; INSERT INTO tasks (title) VALUES ('left open')`);
    const seen: number[][] = [];
    const chances = Array.from({ length: 10 }, () => random.fork());
    const droppers = Array.from({ length: 10 }, async (_, index) => {
      const positions: number[] = [];
      seen[index] = positions;
      const own = chances[index] as Random;
      while (writing || (positions.at(-1) ?? 0) < end) {
        const socket = openSocket(instance.address, `/ws/tasks?after=${positions.at(-1) ?? start}`);
        const take = 1 + own.below(60);
        for (let count = 0; count < take && (writing || (positions.at(-1) ?? 0) < end); count++) {
          positions.push(Number((await socket.event()).position));
        }
        socket.drop();
      }
    });

    let end = Number.POSITIVE_INFINITY;
    await Promise.all(
      Array.from({ length: WRITERS }, async () => {
        const own = random.fork();
        const psql = await database.psql();
        for (let count = 0; count < TRANSACTIONS; count++) await writeOne(psql, own);
      }),
    );
    await sleeper.query('ROLLBACK');
    // The last task event there will be: everybody waits for it, and then has everything before it too.
    const last = await sleeper.query(`INSERT INTO tasks (title) VALUES ('the end') RETURNING id`);
    const steadily: number[] = [];
    for (let event = await steady.event(); ; event = await steady.event()) {
      steadily.push(Number(event.position));
      if (event.subject === last.rows[0].id) break;
    }
    end = steadily.at(-1) ?? 0;
    writing = false;
    await Promise.all(droppers);
    steady.drop();

    const { rows } = await sleeper.query<LogRow>(
      'SELECT position::integer, topic FROM feed.events ORDER BY position',
    );
    t.deepEqual(
      rows.map(row => row.position),
      Array.from({ length: rows.length }, (_, index) => index + 1),
    );
    const expected = rows
      .filter(row => row.topic === 'tasks' && row.position > Number(start) && row.position <= end)
      .map(row => row.position);
    t.true(expected.length > WRITERS * 10);
    t.deepEqual(steadily, expected);
    for (const positions of seen) t.deepEqual(positions, expected);
    t.deepEqual((await sleeper.query('SELECT * FROM feed.verify()')).rows, []);
  },
);

test('a transaction left open delays nobody else, and arrives when it commits', async t => {
  const { instance, database } = t.context;
  const [open, other] = [await database.psql(), await database.psql()];
  const socket = openSocket(instance.address, '/ws/tasks');
  await socket.next();
  await open.query('BEGIN');
  const held = await open.query(`INSERT INTO tasks (title) VALUES ('held') RETURNING id`);
  for (let count = 0; count < 5; count++) {
    const { rows } = await other.query(`INSERT INTO tasks (title) VALUES ('free') RETURNING id`);
    for (let event = await socket.event(); event.subject !== rows[0].id; ) event = await socket.event();
  }
  await open.query('COMMIT');
  let event = await socket.event();
  while (event.subject !== held.rows[0].id) event = await socket.event();
  t.is(event.type, 'task_created');
  socket.drop();
});

test('a client that stops reading misses nothing when it reads again, and holds nobody up', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  const [slow, fast] = [openSocket(instance.address, '/ws/tasks'), openSocket(instance.address, '/ws/tasks')];
  await Promise.all([slow.next(), fast.next()]);
  slow.pause();
  await psql.query(
    `INSERT INTO tasks (title, description) SELECT 'big', repeat('x', 3000) FROM generate_series(1, 6000)`,
  );
  const inserted = new Set(
    (await psql.query(`SELECT id FROM tasks WHERE title = 'big'`)).rows.map(row => row.id),
  );
  const follow = async (socket: typeof slow) => {
    const positions: number[] = [];
    while (positions.length < inserted.size) {
      const event = await socket.event();
      if (inserted.has(event.subject)) positions.push(Number(event.position));
    }
    return positions;
  };
  const received = await follow(fast);
  slow.resume();
  t.deepEqual(await follow(slow), received);
  t.deepEqual(
    received,
    [...received].sort((a, b) => a - b),
  );
  slow.drop();
  fast.drop();
});
