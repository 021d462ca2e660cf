// 64 concurrent writers of single rows, against the same table without triggers and against what tutorials do: a
// trigger that writes a log row and NOTIFYs it. Once more each with a 1 ms flush, which is an ordinary cloud disk.
// The writers are procedures that commit after every row: no client takes part, so the figures are the database's.

import { startService } from '../helpers/process.ts';
import type { Bench, BenchDatabase } from './bench.ts';
import { measure, type Row } from './rounds.ts';

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

// The same columns, constraints and indexes; what the trigger makes comes as defaults.
export const BARE = `
  ALTER TABLE tasks ALTER id SET DEFAULT feed.uuid_v7(), ALTER created_at SET DEFAULT clock_timestamp(),
    ALTER updated_at SET DEFAULT clock_timestamp(), ALTER version SET DEFAULT 1;
  ALTER TABLE tasks DISABLE TRIGGER USER`;

const NAIVE = `
  CREATE TABLE naive_log (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, data jsonb NOT NULL);
  CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO naive_log (data) VALUES (to_jsonb(NEW));
    PERFORM pg_notify('tasks', to_jsonb(NEW)::text);
    RETURN NULL;
  END $$;
  CREATE TRIGGER tell AFTER INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION tell();
  ALTER TABLE tasks ENABLE ALWAYS TRIGGER tell`;

export async function writers({ createDatabase, rounds, server }: Bench): Promise<Row[]> {
  const [ours, bare, naive] = [await createDatabase(), await createDatabase(), await createDatabase()];
  const service = await startService(ours.url);
  for (const database of [ours, bare, naive]) await database.query(WRITE);
  for (const database of [bare, naive]) {
    await database.migrate();
    await database.query(BARE);
  }
  await naive.query(NAIVE);
  const listener = await naive.open();
  await listener.query('LISTEN tasks');
  const contenders = Object.entries({ ours, bare, naive }).map(([name, database]) => ({
    name,
    run: () => writeRows(database),
  }));
  try {
    const fast = await measure(contenders, rounds);
    await server(
      `ALTER SYSTEM SET commit_delay = 1000; ALTER SYSTEM SET commit_siblings = 0; SELECT pg_reload_conf()`,
    );
    const slow = await measure(contenders, Math.max(2, Math.floor(rounds / 2)));
    const row = (figure: string, from: typeof fast, floor: string, atLeast: number): Row => {
      const tps = (name: string) => from[name]?.tps ?? Number.NaN;
      return { figure, ours: tps('ours'), floor: tps(floor), unit: 'tps', target: { atLeast } };
    };
    return [
      row('64 writers, against the bare table', fast, 'bare', 0.6),
      row('64 writers, against NOTIFY per row', fast, 'naive', 2),
      row('the same with a 1 ms flush', slow, 'naive', 10),
    ];
  } finally {
    await server(
      `ALTER SYSTEM RESET commit_delay; ALTER SYSTEM RESET commit_siblings; SELECT pg_reload_conf()`,
    );
    await service.stop();
  }
}

/** All writers at once, each so many rows. */
export async function writeRows(database: BenchDatabase): Promise<{ tps: number }> {
  const sessions = await Promise.all(Array.from({ length: WRITERS }, () => database.open()));
  const before = await count(database);
  const started = performance.now();
  await Promise.all(sessions.map(session => session.query(`CALL write_rows(${ROWS})`)));
  const seconds = (performance.now() - started) / 1000;
  await Promise.all(sessions.map(session => session.end()));
  const written = (await count(database)) - before;
  if (written !== WRITERS * ROWS)
    throw new Error(`${written} rows were written instead of ${WRITERS * ROWS}`);
  return { tps: written / seconds };
}

async function count(database: BenchDatabase): Promise<number> {
  const { rows } = await database.query('SELECT count(*)::integer AS count FROM tasks');
  return rows[0].count;
}
