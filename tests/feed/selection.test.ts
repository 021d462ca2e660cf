// What is read of the log by topic and type, and the last event of each entity: against the log itself, held in memory.
import test from 'ava';
import type pg from 'pg';
import { sql } from 'slonik';
import { z } from 'zod';
import type { LogRow } from '../../src/events.ts';
import { readCompacted, readOfTypes } from '../../src/queries/log.ts';
import { createRandom } from '../helpers/random.ts';
import { readLog, withDatabase } from '../helpers/sql.ts';

const COUNT = z.object({ touched: z.number() });
const positionsOf = (rows: readonly LogRow[]) => rows.map(({ position }) => position);

// A log of several partitions, in which some topics and types are rare.
async function fill(session: pg.Client, random: ReturnType<typeof createRandom>): Promise<void> {
  await session.query(`
    UPDATE feed.log SET partition_size = 1000;
    ALTER TABLE feed.events DETACH PARTITION feed.events_1; DROP TABLE feed.events_1;
    CREATE TABLE feed.events_1 (LIKE feed.events INCLUDING ALL);
    ALTER TABLE feed.events ATTACH PARTITION feed.events_1 FOR VALUES FROM (1) TO (1001);
    SELECT feed.add_partitions(4000)`);
  for (let round = 0; round < 6; round++) {
    const rare = `INSERT INTO currencies (currency, name, rate, rate_date) VALUES ('AA${'ABCDEF'[round]}', 'rare', 1, '2026-01-01')`;
    await session.query(random.chance(0.7) ? rare : 'SELECT');
    await session.query(
      `INSERT INTO tasks (title) SELECT 'task' FROM generate_series(1, ${200 + random.below(200)})`,
    );
    await session.query(
      `UPDATE tasks SET title = title || 'x' WHERE id IN (SELECT id FROM tasks ORDER BY random() LIMIT 100)`,
    );
    await session.query(
      `DELETE FROM tasks WHERE id IN (SELECT id FROM tasks ORDER BY random() LIMIT ${random.below(4)})`,
    );
    await session.query('SELECT FROM feed.sequence_staged(0)');
  }
}

const SELECTIONS = [
  { topics: ['currencies'], types: [], subjects: [] },
  { topics: ['tasks'], types: [], subjects: [] },
  { topics: ['tasks', 'runs'], types: ['task_deleted', 'run_queued'], subjects: [] },
  { topics: [], types: ['task_deleted', 'currency_created'], subjects: [] },
  { topics: ['runs'], types: [], subjects: [] },
];

test(
  'what is read of topics and types is what the log has of them, in its order, wherever a page begins and ends',
  withDatabase(async (t, database) => {
    const [session, random] = [await database.psql(), createRandom(t.log)];
    await fill(session, random);
    const log = await readLog(session);
    for (const selection of SELECTIONS) {
      const meant = log.filter(
        ({ topic, type }) =>
          (selection.topics.length === 0 || selection.topics.includes(topic)) &&
          (selection.types.length === 0 || selection.types.includes(type)),
      );
      for (let round = 0; round < 4; round++) {
        const after = random.below(log.length);
        const through = after + random.below(log.length - after);
        const limit = 1 + random.below(300);
        const expected = positionsOf(meant as never).filter(
          position => position > after && position <= through,
        );
        const found = await readOfTypes(database.pool, selection, { after, through, limit });
        t.deepEqual(
          positionsOf(found),
          expected.slice(0, limit),
          JSON.stringify({ selection, after, through, limit }),
        );
      }
    }
  }),
);

test(
  'a few events among many are found without reading those that lie between',
  withDatabase(async (t, database) => {
    const [session, random] = [await database.psql(), createRandom(t.log)];
    await fill(session, random);
    await database.pool.transaction(async transaction => {
      const touched = () =>
        transaction.oneFirst(sql.type(COUNT)`
          SELECT sum(seq_tup_read + idx_tup_fetch)::integer AS touched
          FROM pg_stat_xact_all_tables
          WHERE schemaname = 'feed' AND relname LIKE 'events%'`);
      const before = await touched();
      await readOfTypes(
        transaction,
        { topics: ['currencies'], types: [] },
        { after: 0, through: 4_000, limit: 500 },
      );
      const read = (await touched()) - before;
      t.true(read < 200, `${read} rows of the log were read`);
    });
  }),
);

test(
  'compacted, page by page, the log is the last event of each entity after a position, deletions too',
  withDatabase(async (t, database) => {
    const [session, random] = [await database.psql(), createRandom(t.log)];
    await fill(session, random);
    const log = await readLog(session);
    const goal = log.length;
    for (const selection of [{ topics: [], types: [], subjects: [] }, ...SELECTIONS]) {
      const after = random.below(goal / 2);
      const last = new Map(
        log
          .filter(
            ({ position, topic, type }) =>
              position > after &&
              (selection.topics.length === 0 || selection.topics.includes(topic)) &&
              (selection.types.length === 0 || selection.types.includes(type)),
          )
          .map(({ topic, subject, position }) => [`${topic} ${subject}`, position]),
      );
      const found: number[] = [];
      const limit = 50 + random.below(500);
      for (let begin = after; begin < goal; ) {
        const page = await readCompacted(database.pool, selection, { after: begin, through: goal, limit });
        found.push(...positionsOf(page.rows));
        t.true(page.through > begin);
        begin = page.through;
      }
      t.deepEqual(
        found,
        [...last.values()].sort((a, b) => a - b),
        JSON.stringify(selection),
      );
    }
  }),
);
