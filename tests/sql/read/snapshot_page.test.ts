// A topic as of a position, read in pages while others write: what the log says of that moment, each entity once.
import test from 'ava';
import pg from 'pg';
import type { DatabasePool } from '../../../src/postgres/pool.ts';
import { readSnapshotPage } from '../../../src/queries/log.ts';
import { createTestDatabase, type TestDatabase } from '../../helpers/database.ts';
import { startInstance } from '../../helpers/instance.ts';
import { createRandom, type Random } from '../../helpers/random.ts';
import { pidOf, readValue, sequence, shortenLog, untilBlocked, withDatabase } from '../../helpers/sql.ts';

const TRIALS = 200;
const WRITERS = 4;
const IDS = Array.from({ length: 24 }, (_, n) => `00000000-0000-4000-8000-0000000000${n + 10}`);

const readHead = (session: pg.Client) =>
  readValue<string>(session, 'SELECT max(last_position) FROM feed.event_batches').then(Number);

/** Every page from the first to the last; `between` happens after each. */
async function collect(
  pool: DatabasePool,
  topic: string,
  position: number,
  { limit, subjects, between = () => {} }: { limit: number; subjects?: string[]; between?: () => unknown },
): Promise<[subject: string, document: string][]> {
  const found: [string, string][] = [];
  for (let after: string | undefined; ; await between()) {
    const rows = await readSnapshotPage(pool, { topic, position, after, limit, subjects });
    for (const { subject, document } of rows) if (document !== null) found.push([subject, document]);
    const last = rows.at(-1);
    if (!last || (rows.length < limit && last.document !== null)) return found;
    after = last.subject;
  }
}

async function fold(session: pg.Client, topic: string, position: number): Promise<[string, string][]> {
  const { rows } = await session.query({
    text: `SELECT subject, data::text FROM (
             SELECT DISTINCT ON (subject) subject, type, data FROM feed.events
             WHERE topic = $1 AND position <= $2 ORDER BY subject, position DESC
           ) AS last WHERE type NOT LIKE '%\\_deleted' ORDER BY subject COLLATE "C"`,
    values: [topic, position],
    rowMode: 'array',
  });
  return rows as unknown as [string, string][];
}

const CHANGES = [
  (id: string) => `INSERT INTO tasks (id, title) VALUES ('${id}', 'x') ON CONFLICT DO NOTHING`,
  (id: string) => `INSERT INTO tasks (id, title) VALUES ('${id}', 'y') ON CONFLICT DO NOTHING`,
  (id: string) => `UPDATE tasks SET title = left(title || 'z', 90) WHERE id = '${id}'`,
  (id: string) => `UPDATE tasks SET status = 'done' WHERE id = '${id}'`,
  (id: string) => `DELETE FROM tasks WHERE id = '${id}'`,
  () => `INSERT INTO tasks (title) VALUES ('another')`,
];

// Lets the reader in between its statements, so that pages are read beside transactions of every age.
async function write(session: pg.Client, random: Random, ended: { reading: boolean }): Promise<void> {
  await session.query(`SET deadlock_timeout = '5ms'`);
  while (!ended.reading) {
    try {
      await session.query('BEGIN');
      for (let step = random.below(5); step >= 0; step--) {
        await session.query(random.chance(0.02) ? 'TRUNCATE tasks' : random.pick(CHANGES)(random.pick(IDS)));
      }
      await session.query(random.chance(0.8) ? 'COMMIT' : 'ROLLBACK');
    } catch (error) {
      if (!(error instanceof pg.DatabaseError) || error.code !== '40P01') throw error;
      await session.query('ROLLBACK');
    }
  }
}

test('pages read while others write are the fold of the log up to their position', async t => {
  t.timeout(240_000);
  const random = createRandom(text => t.log(text));
  const database: TestDatabase = await createTestDatabase();
  const instance = await startInstance(database.url);
  const ended = { reading: false };
  const observer = await database.psql();
  const writers = Array.from({ length: WRITERS }, async () =>
    write(await database.psql(), random.fork(), ended),
  );
  try {
    const trials = [];
    for (let trial = 0; trial < TRIALS; trial++) {
      const position = await readHead(observer);
      const pages = await collect(database.pool, 'tasks', position, { limit: 1 + random.below(12) });
      trials.push({ position, pages });
    }
    ended.reading = true;
    await Promise.all(writers);
    for (const { position, pages } of trials) {
      t.deepEqual(pages, await fold(observer, 'tasks', position), `as of ${position}`);
    }
    t.true(new Set(trials.map(({ position }) => position)).size > TRIALS / 4);
    t.true(trials.some(({ pages }) => pages.length > 20));
  } finally {
    ended.reading = true;
    await Promise.allSettled(writers);
    await instance.stop();
    await database.drop();
  }
});

test(
  'what has committed and is not numbered yet does not show, whatever it was',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const [a, b, c, d] = IDS;
    await session.query(`INSERT INTO tasks (id, title) VALUES ('${a}', 'a'), ('${b}', 'b'), ('${c}', 'c')`);
    await sequence(session);
    const pages = () => collect(database.pool, 'tasks', 3, { limit: 2 });
    const before = await pages();
    t.deepEqual(
      before.map(([, document]) => JSON.parse(document).title),
      ['a', 'b', 'c'],
    );
    await session.query(`UPDATE tasks SET title = 'changed' WHERE id = '${a}'`);
    await session.query(`DELETE FROM tasks WHERE id = '${b}'`);
    await session.query(`INSERT INTO tasks (id, title) VALUES ('${d}', 'd'), ('${b}', 'again')`);
    t.deepEqual(await pages(), before);
    await sequence(session);
    t.deepEqual(await pages(), before);
    await session.query('TRUNCATE tasks');
    t.deepEqual(await pages(), before);
    await sequence(session);
    t.deepEqual(await pages(), before);
    t.deepEqual(await collect(database.pool, 'tasks', await readHead(session), { limit: 2 }), []);
  }),
);

test(
  'a transaction that was open when the last batch looked is still to be numbered once it commits',
  withDatabase(async (t, database) => {
    const [session, open] = [await database.psql(), await database.psql()];
    await session.query(`INSERT INTO tasks (id, title) VALUES ('${IDS[0]}', 'a')`);
    await sequence(session);
    await open.query(`BEGIN; UPDATE tasks SET title = 'changed'`);
    await session.query(`INSERT INTO tasks (id, title) VALUES ('${IDS[1]}', 'b')`);
    await sequence(session);
    const before = await collect(database.pool, 'tasks', 2, { limit: 10 });
    await open.query('COMMIT');
    t.deepEqual(await collect(database.pool, 'tasks', 2, { limit: 10 }), before);
    t.is(JSON.parse(before[0]?.[1] ?? '').title, 'a');
  }),
);

test(
  'a reader who waits for a TRUNCATE still finds what was there before it',
  withDatabase(async (t, database) => {
    const [session, truncating] = [await database.psql(), await database.psql()];
    await session.query(`INSERT INTO tasks (id, title) VALUES ('${IDS[0]}', 'a'), ('${IDS[1]}', 'b')`);
    await sequence(session);
    const before = await collect(database.pool, 'tasks', 2, { limit: 10 });
    await truncating.query('BEGIN; TRUNCATE tasks');
    const reading = await database.psql();
    const pid = await pidOf(reading);
    const page = reading.query({
      text: `SELECT * FROM feed.snapshot_page('tasks', 2, NULL, 10)`,
      rowMode: 'array',
    });
    await untilBlocked(session, pid);
    await truncating.query('COMMIT');
    t.deepEqual((await page).rows, before);
    t.is(before.length, 2);
  }),
);

test(
  'of runs the status is as of the position, and pages are in the order of their ids',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`INSERT INTO runs (kind) VALUES ('a'), ('b'), ('c')`);
    await sequence(session);
    await session.query(`UPDATE runs SET status = 'running', started_at = now() WHERE kind = 'b'`);
    const statuses = async (position: number) =>
      (await collect(database.pool, 'runs', position, { limit: 2 })).map(([, text]) => {
        const { kind, status } = JSON.parse(text);
        return `${kind} ${status}`;
      });
    t.deepEqual(await statuses(3), ['a queued', 'b queued', 'c queued']);
    await sequence(session);
    t.deepEqual(await statuses(3), ['a queued', 'b queued', 'c queued']);
    t.deepEqual(await statuses(4), ['a queued', 'b running', 'c queued']);
  }),
);

test(
  'however many were deleted since, before and again, pages are the fold of the log, of whatever size',
  withDatabase(async (t, database) => {
    const random = createRandom(text => t.log(text));
    const session = await database.psql();
    const some = (share: number) =>
      `(hashtext(id::text || '${random.below(2 ** 32)}') & 1023) < ${1023 * share}`;
    const insert = (count: number) =>
      session.query(
        `INSERT INTO tasks (id, title) SELECT gen_random_uuid(), 'x' FROM generate_series(1, ${count})`,
      );
    await insert(9_000);
    await session.query(`CREATE TABLE gone AS SELECT id FROM tasks WHERE ${some(0.6)}`);
    await session.query('DELETE FROM tasks WHERE id IN (SELECT id FROM gone)');
    await session.query(`INSERT INTO tasks (id, title) SELECT id, 'again' FROM gone WHERE ${some(0.2)}`);
    await sequence(session);
    const position = await readHead(session);
    await insert(500);
    await session.query(`UPDATE tasks SET title = 'later' WHERE ${some(0.5)}`);
    await session.query(`DELETE FROM tasks WHERE ${some(0.7)}`);
    await session.query(
      `INSERT INTO tasks (id, title) SELECT id, 'later' FROM gone WHERE ${some(0.2)} ON CONFLICT DO NOTHING`,
    );
    await sequence(session);
    await session.query(`DELETE FROM tasks WHERE ${some(0.2)}`); // these are not numbered
    const expected = await fold(session, 'tasks', position);
    t.true(expected.length > 4_000);
    for (const limit of [4_000, 300 + random.below(300)])
      t.deepEqual(await collect(database.pool, 'tasks', position, { limit }), expected);
    const subjects = expected.filter(() => random.chance(0.01)).map(([subject]) => subject);
    t.deepEqual(
      await collect(database.pool, 'tasks', position, { limit: 7, subjects }),
      expected.filter(([subject]) => subjects.includes(subject)),
    );
  }),
);

test(
  'a page costs what it holds, whatever has changed and gone since its position',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`INSERT INTO tasks (title) SELECT 'x' FROM generate_series(1, 6000)`);
    await sequence(session);
    const hot = await readValue<string>(session, 'SELECT id FROM tasks LIMIT 1');
    await session.query('UPDATE tasks SET priority = $1', ['high']);
    await session.query(`DO $$ BEGIN FOR n IN 1..2000 LOOP
      UPDATE tasks SET title = 'title ' || n WHERE id = '${hot}'; END LOOP; END $$`);
    await sequence(session);
    await session.query(
      'DELETE FROM tasks WHERE id IN (SELECT id FROM tasks ORDER BY id OFFSET 1000 LIMIT 4000)',
    );
    await sequence(session);
    // What this session has touched and the statistics have not taken over yet, which they do between transactions.
    const touched = async () =>
      Number(
        await readValue<string>(
          session,
          `SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_all_tables WHERE schemaname IN ('feed', 'public')`,
        ),
      );
    for (const after of [null, hot]) {
      await session.query('BEGIN');
      const before = await touched();
      const { rowCount } = await session.query(`SELECT FROM feed.snapshot_page('tasks', 6000, $1, 100)`, [
        after,
      ]);
      const read = (await touched()) - before;
      await session.query('COMMIT');
      t.is(rowCount, 100);
      t.true(read < 5_000, `of 12,000 events since, and 2,000 of one task, ${read} rows were read`);
    }
  }),
);

test(
  'what the log no longer keeps up to the position is told by what came after it',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query('ALTER TABLE tasks DISABLE TRIGGER "00_feed_capture"');
    await session.query(
      `INSERT INTO tasks (id, title) VALUES ('${IDS[4]}', 'there before the log'), ('${IDS[5]}', 'so too')`,
    );
    await session.query('ALTER TABLE tasks ENABLE ALWAYS TRIGGER "00_feed_capture"');
    for (const [n, id] of IDS.slice(0, 4).entries())
      await session.query(`INSERT INTO tasks (id, title, labels) VALUES ('${id}', 'task ${n}', '{a,b}')`);
    await sequence(session);
    const before = await collect(database.pool, 'tasks', 4, { limit: 10 });
    t.is(before.length, 6);
    await session.query(`UPDATE tasks SET title = 'changed', description = 'new' WHERE id = '${IDS[0]}'`);
    await session.query(`UPDATE tasks SET title = 'changed again' WHERE id = '${IDS[0]}'`);
    await session.query(`DELETE FROM tasks WHERE id = '${IDS[1]}'`);
    await session.query(`INSERT INTO tasks (id, title) VALUES ('${IDS[6]}', 'new')`);
    await sequence(session);
    await session.query(`UPDATE tasks SET labels = '{}' WHERE id = '${IDS[4]}'`);
    await session.query(`DELETE FROM tasks WHERE id = '${IDS[5]}'`);
    await shortenLog(session, 4);
    const after = await collect(database.pool, 'tasks', 4, { limit: 3 });
    t.deepEqual(after, before); // to the byte: put together from pieces it has no white space, either
    await t.throwsAsync(session.query(`SELECT feed.snapshot_page('tasks', 3, NULL, 1)`), {
      message: 'what follows position 3 is no longer kept',
    });
  }),
);

test(
  'subjects compare as the log spells them',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const id = '0000000a-0000-4000-8000-00000000000b';
    await session.query(`INSERT INTO tasks (id, title) VALUES ('${id}', 'a')`);
    await sequence(session);
    const found = async (subject: string) =>
      (await collect(database.pool, 'tasks', 1, { limit: 10, subjects: [subject, 'no id at all'] })).length;
    t.is(await found(id), 1);
    t.is(await found(id.toUpperCase()), 0);
    await session.query('DELETE FROM tasks');
    await sequence(session);
    t.is(await found(id), 1);
    t.is(await found(id.toUpperCase()), 0);
  }),
);

const KEYS: Record<string, [type: string, inOrder: string[]]> = {
  'a number': ['bigint', ['-7', '9', '10', '200']],
  'text of another collation': ['text COLLATE "en-x-icu"', ['a', 'B', 'c"', 'Ç%', 'd']],
  'a type whose operators live elsewhere': ['public.citext', ['a', 'B', 'c', 'D']],
  'words of an enumeration': ['public.mood', ['sad', 'glad', 'Bad']],
};

for (const [kind, [type, inOrder]] of Object.entries(KEYS)) {
  test(
    `the key may be ${kind}: pages are in its own order`,
    withDatabase(async (t, database) => {
      const session = await database.psql();
      await session.query(`CREATE EXTENSION IF NOT EXISTS citext SCHEMA public`);
      await session.query(`CREATE TYPE public.mood AS ENUM ('sad', 'glad', 'Bad')`);
      await session.query(`CREATE TABLE public."Odd ones" ("the ""key" ${type} PRIMARY KEY, n integer)`);
      await session.query(`CREATE FUNCTION feed.render(odd public."Odd ones") RETURNS json
        LANGUAGE sql STABLE AS $$ SELECT row_to_json(odd) $$`);
      await session.query(`SELECT feed.watch('public."Odd ones"', 'odd_ones', 'odd', 'the "key')`);
      await session.query(
        `INSERT INTO "Odd ones" SELECT k::${type.split(' ')[0]}, 0 FROM unnest($1::text[]) AS k`,
        [inOrder.toReversed()],
      );
      await sequence(session);
      const subjects = async () =>
        (await collect(database.pool, 'odd_ones', inOrder.length, { limit: 1 })).map(([subject]) => subject);
      t.deepEqual(await subjects(), inOrder);
      await session.query(`DELETE FROM "Odd ones" WHERE "the ""key" = $1`, [inOrder[1]]);
      await sequence(session);
      await session.query(`UPDATE "Odd ones" SET n = 1 WHERE "the ""key" = $1`, [inOrder[2]]);
      t.deepEqual(await subjects(), inOrder);
    }),
  );
}

test(
  'a topic that there is not is refused',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await t.throwsAsync(session.query(`SELECT feed.snapshot_page('nothing', 0, NULL, 1)`), { code: '22023' });
  }),
);
