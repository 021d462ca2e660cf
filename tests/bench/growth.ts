// A log and a list that have grown for years, against young ones: 1,000,000 tasks and 10,000,000 events beside 1,000 and
// 10,000, the same work on both in turn. And what writers notice when retention lets a partition of the old one go.
import type pg from 'pg';
import { type Running, startService } from '../helpers/process.ts';
import { until } from '../helpers/until.ts';
import type { Bench, BenchDatabase } from './bench.ts';
import { type Answer, encodeRequest, sendAll } from './http_load.ts';
import { insertAndHear } from './latency.ts';
import { connectSocket } from './processes.ts';
import { measure, quantile, type Row } from './rounds.ts';
import { WRITE, writeRows } from './writers.ts';

const TASKS = 1_000_000;
const YOUNG = 1_000;
const EVENTS_EACH = 10;
const CHUNK = 1_000; // tasks in a transaction of the filling
const RARE = 100; // events of a topic that is rare
const CONNECTIONS = 4;
const REQUESTS = 200; // per round and kind
const WRITERS = 16;
const WATCHED = 10_000; // ms of writing without retention, and at least so long with it
const OPEN_FOR = 3_000; // ms, of a transaction that reads the log as retention begins

export async function growth({ createDatabase, rounds, scale }: Bench): Promise<Row[]> {
  const [old, young] = [await createDatabase(), await createDatabase()];
  for (const [database, tasks] of [
    [old, Math.round(TASKS * scale)],
    [young, YOUNG],
  ] as const) {
    await database.migrate(tasks * EVENTS_EACH);
    await fill(database, tasks);
  }
  const services = [await startService(old.url), await startService(young.url)] as const;
  try {
    const contenders = [
      { name: 'old', run: await prepare(services[0], old) },
      { name: 'young', run: await prepare(services[1], young) },
    ];
    const figures = await measure(contenders, rounds);
    const row = (name: string, figure: string, unit: string, target: Row['target']): Row => {
      const [ours, floor] = [figures.old?.[name] ?? Number.NaN, figures.young?.[name] ?? Number.NaN];
      return { figure, ours, floor, unit, target };
    };
    const slower = { atMost: 1.2 };
    const rows = [
      row('latency', 'insert → frame, p50', 'ms', slower),
      row('writers', '64 writers', 'tps', { atLeast: 0.83 }),
      ...Object.keys(READS).map(name => row(name, name, 'ms', slower)),
    ];
    for (const service of services) await service.stop();
    return [...rows, await retention(old)];
  } finally {
    for (const service of services) await service.stop();
  }
}

const READS = {
  'first page': '/tasks?limit=50',
  'filtered page': '/tasks?status=in_progress&priority=normal&limit=50',
  history: '/tasks/{id}/history',
  'as of, a list': '/tasks?as_of={head}&limit=50',
  'as of, one': '/tasks/{id}?as_of={head}',
  'catch-up of a rare topic': '/events?after=0&topic=runs&limit=100',
  'compacted catch-up of it': '/events?after=0&topic=runs&limit=100&compact=true',
};

// By SQL and past the triggers, as a service of years would have left it: each task with its events, spread over the log.
async function fill(database: BenchDatabase, tasks: number): Promise<void> {
  await database.query(`SELECT feed.add_partitions(${tasks * EVENTS_EACH + 1_000_000})`);
  await database.query('ALTER TABLE tasks DISABLE TRIGGER USER');
  await database.query(`
    DO $$
    DECLARE
      head bigint := 0;
      of_chunk bigint;
    BEGIN
      FOR chunk IN 1..${tasks / CHUNK} LOOP
        CREATE TEMPORARY TABLE made ON COMMIT DROP AS
        SELECT n, feed.uuid_v7() AS id FROM generate_series(1, ${CHUNK}) AS n;
        INSERT INTO tasks (id, title, description, status, priority, labels, created_at, updated_at, version)
        SELECT id, 'task ' || chunk || ' ' || n, repeat('what is to be done ', n % 8), CASE n % 2 WHEN 0 THEN 'todo' ELSE 'in_progress' END,
          'normal', ARRAY['bench', 'label ' || n % 100], clock_timestamp(), clock_timestamp(), ${EVENTS_EACH}
        FROM made;
        INSERT INTO feed.events (position, staged_id, topic, type, subject, time, origin, transaction, data, previous, bytes)
        SELECT e.position, e.position, 'tasks', CASE e.round WHEN 1 THEN 'task_created' ELSE 'task_updated' END, e.id::text,
          clock_timestamp(), 'psql', pg_current_xact_id(), e.document, CASE WHEN e.round > 1 THEN '{"title":"before"}'::json END, 400
        FROM (
          SELECT head + (round - 1) * ${CHUNK} + made.n AS position, round, made.id, rendered.document
          FROM made
          JOIN tasks AS t ON t.id = made.id
          CROSS JOIN LATERAL (SELECT feed.render(t) AS document OFFSET 0) AS rendered
          CROSS JOIN generate_series(1, ${EVENTS_EACH}) AS round
        ) AS e;
        head := head + ${CHUNK * EVENTS_EACH};
        INSERT INTO feed.event_batches (last_position, snapshot, at) VALUES (head, pg_current_snapshot(), clock_timestamp());
        COMMIT;
      END LOOP;
      INSERT INTO feed.events (position, staged_id, topic, type, subject, time, origin, transaction, data, bytes)
      SELECT head + n, head + n, 'runs', 'run_queued', n::text, clock_timestamp(), 'psql', pg_current_xact_id(), '{"status":"queued"}', 20
      FROM generate_series(1, ${RARE}) AS n;
      COMMIT;
      INSERT INTO feed.event_batches (last_position, snapshot, at) VALUES (head + ${RARE}, pg_current_snapshot(), clock_timestamp());
      EXECUTE format('ALTER TABLE feed.staged ALTER id RESTART WITH %s', head + 1000000);
    END $$`);
  await database.migrate(); // fires its triggers again
  await database.query('VACUUM ANALYZE tasks');
  await database.query('VACUUM ANALYZE feed.events');
  await database.query(WRITE);
}

async function prepare({ address }: Running, database: BenchDatabase) {
  const socket = await connectSocket(`${address}/ws/tasks`);
  const { rows } = await database.query(
    `SELECT id::text, (SELECT max(last_position) FROM feed.event_batches) AS head FROM tasks ORDER BY id LIMIT ${REQUESTS}`,
  );
  const check = ({ status, body }: Answer) => {
    if (status !== 200 || body.includes('"data":[]')) throw new Error(`${status} ${body.subarray(0, 200)}`);
  };
  return async () => {
    const figures: Record<string, number> = {};
    for (const [name, path] of Object.entries(READS)) {
      const requests = rows.map(({ id, head }) =>
        encodeRequest('GET', path.replace('{id}', id).replace('{head}', head)),
      );
      const started = performance.now();
      await sendAll(address, CONNECTIONS, requests, check);
      figures[name] = ((performance.now() - started) * CONNECTIONS) / requests.length;
    }
    const { p50 = Number.NaN } = await insertAndHear(database.session, socket);
    const { tps } = await writeRows(database);
    return { ...figures, latency: p50, writers: tps };
  };
}

// The slowest write while the first partition goes, beside a transaction that has read it, against the slowest without.
async function retention(database: BenchDatabase): Promise<Row> {
  const keeping = await startService(database.url);
  const floor = await slowestWrite(database, new Promise(resolve => setTimeout(resolve, WATCHED)));
  await keeping.stop();
  const reader = await database.open();
  await reader.query('BEGIN; SELECT FROM feed.events LIMIT 1');
  const service = await startService(database.url, { EVENT_RETENTION: '1s' });
  const gone = letGo(database, reader);
  const ours = await slowestWrite(
    database,
    Promise.all([gone, new Promise(resolve => setTimeout(resolve, WATCHED))]),
  );
  await reader.end();
  await service.stop();
  return {
    figure: 'slowest of 16 writers as a partition goes',
    ours,
    floor,
    unit: 'ms',
    target: { atMostOver: 50 },
  };
}

async function letGo(database: BenchDatabase, reader: pg.Client): Promise<void> {
  setTimeout(() => void reader.query('COMMIT'), OPEN_FOR);
  await until(async () => {
    await new Promise(resolve => setTimeout(resolve, 500));
    return (await database.query(`SELECT to_regclass('feed.events_1') IS NULL AS gone`)).rows[0].gone;
  });
}

async function slowestWrite(database: BenchDatabase, end: Promise<unknown>): Promise<number> {
  let over = false;
  void end.then(() => {
    over = true;
  });
  const took = await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      const session = await database.open();
      const times: number[] = [];
      while (!over) {
        const started = performance.now();
        await session.query(`INSERT INTO tasks (title) VALUES ('one of many')`);
        times.push(performance.now() - started);
      }
      await session.end();
      return times;
    }),
  );
  await end;
  return quantile(took.flat(), 1);
}
