// 64 concurrent writers of single rows: beside the hand-written service, whose trigger NOTIFYs each row, and beside a table
// with the same columns and its key alone. Both again with a 1 ms flush, which is an ordinary cloud disk.
// The writers are procedures that commit after every row: no client takes part, so the figures are the database's. What
// PostgreSQL's processors spend is read from the whole server, numbering and listeners included.

import { startService } from '../helpers/process.ts';
import { until } from '../helpers/until.ts';
import type { Bench, BenchDatabase } from './bench.ts';
import { postgresBusy } from './cpu.ts';
import { startFloor } from './processes.ts';
import { type Figures, measure, type Row } from './rounds.ts';

const WRITERS = 64;
const ROWS = 100; // per writer and round

/** Makes the procedure that writes. */
export const WRITE = `
  CREATE PROCEDURE write_rows(many integer) LANGUAGE plpgsql AS $$
  BEGIN
    FOR i IN 1..many LOOP
      INSERT INTO tasks (title) VALUES ('one of many');
      COMMIT;
    END LOOP;
  END $$`;

/** The table of tasks without its triggers: the same columns, rules and indexes; what a trigger makes comes as defaults. */
export const BARE = `
  ALTER TABLE tasks ALTER id SET DEFAULT feed.uuid_v7(), ALTER created_at SET DEFAULT clock_timestamp(),
    ALTER updated_at SET DEFAULT clock_timestamp(), ALTER version SET DEFAULT 1;
  ALTER TABLE tasks DISABLE TRIGGER USER`;

// The columns of tasks and its key: the least that a table of them costs.
const KEY_ONLY = `
  CREATE TABLE tasks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), title text NOT NULL, description text,
    status text NOT NULL DEFAULT 'todo', priority text NOT NULL DEFAULT 'normal', due_at timestamptz,
    labels text[] NOT NULL DEFAULT '{}', source text, external_id text,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz, version bigint NOT NULL DEFAULT 1)`;

export async function writers({ createDatabase, rounds, server }: Bench): Promise<Row[]> {
  const [ours, bare, byHand] = [await createDatabase(), await createDatabase(), await createDatabase()];
  const service = await startService(ours.url);
  const naive = await startFloor('naive.ts', byHand.url);
  await bare.query(KEY_ONLY);
  for (const database of [ours, bare, byHand]) await database.query(WRITE);
  const contenders = [
    { name: 'ours', run: () => writeRows(ours, () => allNumbered(ours)) },
    { name: 'naive', run: () => writeRows(byHand) },
    { name: 'bare', run: () => writeRows(bare) },
  ];
  try {
    const fast = await measure(contenders, rounds);
    await server(
      `ALTER SYSTEM SET commit_delay = 1000; ALTER SYSTEM SET commit_siblings = 0; SELECT pg_reload_conf()`,
    );
    const slow = await measure(contenders, Math.max(2, Math.floor(rounds / 2)));
    const row = (figure: string, from: Figures, floor: string, name: string, target: Row['target']): Row => {
      const value = (of: string) => from[of]?.[name] ?? Number.NaN;
      return {
        figure,
        ours: value('ours'),
        floor: value(floor),
        unit: name === 'tps' ? 'tps' : 'µs',
        target,
      };
    };
    return [
      row('64 writers, against the hand-written service', fast, 'naive', 'tps', { atLeast: 2 }),
      row('the same with a 1 ms flush', slow, 'naive', 'tps', { atLeast: 8 }),
      row('64 writers, against a table with its key alone', fast, 'bare', 'tps', { atLeast: 0.5 }),
      row('PostgreSQL’s processor per event, against by hand', fast, 'naive', 'cpu', { atMost: 0.9 }),
      row('the same against a table with its key alone', fast, 'bare', 'cpu', { atMost: 2 }),
    ];
  } finally {
    await server(
      `ALTER SYSTEM RESET commit_delay; ALTER SYSTEM RESET commit_siblings; SELECT pg_reload_conf()`,
    );
    await service.stop();
    await naive.stop();
  }
}

/** All writers at once, each so many rows; `settled` resolves when all has been done that they are a reason for. */
export async function writeRows(
  database: BenchDatabase,
  settled: () => Promise<void> = async () => {},
): Promise<{ tps: number; cpu: number }> {
  const sessions = await Promise.all(Array.from({ length: WRITERS }, () => database.open()));
  for (const session of sessions) await session.query('CALL write_rows(1)'); // what a session does once is not counted
  await settled();
  const before = await count(database);
  const busy = await postgresBusy(database);
  const started = performance.now();
  await Promise.all(sessions.map(session => session.query(`CALL write_rows(${ROWS})`)));
  const seconds = (performance.now() - started) / 1000;
  await settled();
  const spent = (await postgresBusy(database)) - busy;
  await Promise.all(sessions.map(session => session.end()));
  const written = (await count(database)) - before;
  if (written !== WRITERS * ROWS)
    throw new Error(`${written} rows were written instead of ${WRITERS * ROWS}`);
  return { tps: written / seconds, cpu: spent / written };
}

async function allNumbered(database: BenchDatabase): Promise<void> {
  await until(async () => {
    const { rows } = await database.query(
      'SELECT (SELECT count(*) FROM feed.unnumbered($$tasks$$)) AS count',
    );
    return Number(rows[0].count) === 0;
  });
}

async function count(database: BenchDatabase): Promise<number> {
  const { rows } = await database.query('SELECT count(*)::integer AS count FROM tasks');
  return rows[0].count;
}
