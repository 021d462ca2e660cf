// An id's versions never start again: whoever deletes, inserts or does both at once, the next is one more.
import test from 'ava';
import pg from 'pg';
import { createRandom, type Random } from '../../helpers/random.ts';
import { pidOf, readLog, readValue, refusal, untilBlocked, withDatabase } from '../../helpers/sql.ts';

const ID = '00000000-0000-7000-8000-000000000001';
const OTHER = '00000000-0000-7000-8000-000000000002';
const INSERT = `INSERT INTO tasks (id, title) VALUES ('${ID}', 'x') RETURNING version`;
const UPDATE = `UPDATE tasks SET title = title || 'x' WHERE id = '${ID}' RETURNING version`;
const DELETE = `DELETE FROM tasks WHERE id = '${ID}' RETURNING version`;

test(
  'a task that comes back under its old id goes on from its last version',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query('SET ROLE taskwire_app');
    t.is(await readValue(session, INSERT), '1');
    t.is(await readValue(session, UPDATE), '2');
    await session.query(DELETE);
    t.is(await readValue(session, INSERT), '3');
    await session.query(DELETE);
    t.is(await readValue(session, INSERT), '4');
    await session.query('RESET ROLE; TRUNCATE tasks');
    t.is(await readValue(session, INSERT), '5');
  }),
);

test(
  'also one whose id the database had made',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const id = await readValue(session, `INSERT INTO tasks (title) VALUES ('x') RETURNING id`);
    await session.query('DELETE FROM tasks');
    const again = `INSERT INTO tasks (id, title) VALUES ('${id}', 'x') RETURNING version`;
    t.is(await readValue(session, again), '2');
  }),
);

test(
  'also within one transaction, and with half of it rolled back',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query('BEGIN');
    t.is(await readValue(session, INSERT), '1');
    await session.query(DELETE);
    t.is(await readValue(session, INSERT), '2');
    await session.query('SAVEPOINT here');
    await session.query(`${DELETE}; ${INSERT}; ${UPDATE}; ROLLBACK TO here`);
    t.is(await readValue(session, UPDATE), '3');
    await session.query('COMMIT');
    t.deepEqual(
      (await readLog(session)).map(event => [event.type, event.data.version]),
      [
        ['task_created', 1],
        ['task_deleted', 1],
        ['task_created', 2],
        ['task_updated', 3],
      ],
    );
  }),
);

interface Race {
  before: string[];
  first: string[];
  end: 'COMMIT' | 'ROLLBACK';
  second: string | undefined;
}

const RACES: Record<string, Race> = {
  'a deletion that is committed': { before: [INSERT, UPDATE], first: [DELETE], end: 'COMMIT', second: '3' },
  'a deletion that is rolled back': {
    before: [INSERT, UPDATE],
    first: [DELETE],
    end: 'ROLLBACK',
    second: undefined,
  },
  'an insert that is committed': { before: [], first: [INSERT], end: 'COMMIT', second: undefined },
  'an insert that is rolled back': { before: [], first: [INSERT], end: 'ROLLBACK', second: '1' },
  'an insert and its deletion, committed': {
    before: [],
    first: [INSERT, DELETE],
    end: 'COMMIT',
    second: '2',
  },
  'an insert and its deletion, rolled back': {
    before: [],
    first: [INSERT, DELETE],
    end: 'ROLLBACK',
    second: '1',
  },
  'a deletion and a new insert': {
    before: [INSERT],
    first: [DELETE, INSERT],
    end: 'COMMIT',
    second: undefined,
  },
  'a TRUNCATE': { before: [INSERT, UPDATE, UPDATE], first: ['TRUNCATE tasks'], end: 'COMMIT', second: '4' },
};

test(
  'inserting an id while another session inserts or deletes it waits, and gives the version that follows',
  withDatabase(async (t, database) => {
    const [holder, racer, observer] = [await database.psql(), await database.psql(), await database.psql()];
    const racerPid = await pidOf(racer);
    for (const [what, { before, first, end, second }] of Object.entries(RACES)) {
      const id = await readValue<string>(observer, 'SELECT feed.uuid_v7()');
      const on = (statement: string) => statement.replace(ID, id);
      for (const statement of [...before, 'BEGIN', ...first]) await holder.query(on(statement));
      const racing = second === undefined ? refusal(racer.query(on(INSERT))) : readValue(racer, on(INSERT));
      await untilBlocked(observer, racerPid);
      await holder.query(end);
      const outcome = await racing;
      t.is(outcome instanceof pg.DatabaseError ? outcome.constraint : outcome, second ?? 'tasks_pkey', what);
    }
  }),
);

test(
  'any number of sessions may insert, change and delete the same ids: no version is given twice or left out',
  withDatabase(async (t, database) => {
    const random = createRandom(text => t.log(text));
    const sessions = await Promise.all(Array.from({ length: 6 }, () => database.psql()));
    await Promise.all(sessions.map(session => contend(session, random.fork())));
    const owner = await database.psql();
    const log = await readLog(owner);
    for (const id of [ID, OTHER]) {
      const versions = log.filter(event => event.subject === id && event.type !== 'task_deleted');
      t.true(versions.length > 10);
      t.deepEqual(
        versions.map(event => event.data.version),
        versions.map((_, index) => index + 1),
      );
    }
    t.deepEqual((await owner.query('SELECT * FROM feed.verify()')).rows, []);
  }),
);

async function contend(session: pg.Client, random: Random): Promise<void> {
  await session.query(`SET deadlock_timeout = '5ms'`);
  for (let round = 0; round < 60; round++) {
    const statements = Array.from({ length: 1 + random.below(3) }, () =>
      random.pick([INSERT, UPDATE, DELETE]).replace(ID, random.pick([ID, OTHER])),
    );
    await attempt(session, [...statements, random.chance(0.8) ? 'COMMIT' : 'ROLLBACK']);
  }
}

// A duplicate key and a deadlock are answers too: the transaction did not happen.
async function attempt(session: pg.Client, statements: string[]): Promise<void> {
  await session.query('BEGIN');
  try {
    for (const statement of statements) await session.query(statement);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || !['23505', '40P01'].includes(error.code ?? '')) throw error;
    await session.query('ROLLBACK');
  }
}
