// One quiet writer: INSERT sent → frame at a WebSocket, and how long the writer itself waits. The floor is what a
// tutorial builds on the same table: a trigger that NOTIFYs the row, and a bare process that LISTENs and passes it on.
import type pg from 'pg';
import type { WebSocket } from 'ws';
import { startService } from '../helpers/process.ts';
import type { Bench } from './bench.ts';
import { connectSocket, startFloor } from './processes.ts';
import { measure, quantile, type Row } from './rounds.ts';
import { BARE } from './writers.ts';

const INSERTS = 300;
const PAUSE = 4; // ms between two inserts: a quiet writer

export async function latency({ createDatabase, rounds }: Bench): Promise<Row[]> {
  const [ourDatabase, floorDatabase] = [await createDatabase(), await createDatabase()];
  const service = await startService(ourDatabase.url);
  await floorDatabase.migrate();
  await floorDatabase.query(`${BARE};
    CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN PERFORM pg_notify('tasks', to_jsonb(NEW)::text); RETURN NULL; END $$;
    CREATE TRIGGER tell AFTER INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION tell()`);
  const floor = await startFloor('floor_listen.ts', floorDatabase.url);
  const [ourSocket, floorSocket] = [
    await connectSocket(`${service.address}/ws/tasks`),
    await connectSocket(floor.address),
  ];
  try {
    const figures = await measure(
      [
        { name: 'ours', run: () => insertAndHear(ourDatabase.session, ourSocket) },
        { name: 'floor', run: () => insertAndHear(floorDatabase.session, floorSocket) },
      ],
      rounds,
    );
    return [
      row('p50', 'insert → frame, p50', 1.5),
      row('p99', 'insert → frame, p99', 2),
      row('writer', 'the writer waits, p50', 1.1),
    ];
    function row(name: string, figure: string, atMost: number): Row {
      const [ours, base] = [figures.ours?.[name] ?? Number.NaN, figures.floor?.[name] ?? Number.NaN];
      return { figure, ours, floor: base, unit: 'ms', target: { atMost } };
    }
  } finally {
    ourSocket.terminate();
    floorSocket.terminate();
    await service.stop();
    await floor.stop();
  }
}

/** Inserts one after the other, each heard before the next: how long until its frame, and how long the writer itself waited. */
export async function insertAndHear(session: pg.Client, socket: WebSocket): Promise<Record<string, number>> {
  const arrived: number[] = [];
  const waited: number[] = [];
  for (let count = 0; count < INSERTS; count++) {
    const frame = new Promise<void>(resolve => socket.once('message', () => resolve()));
    const sent = performance.now();
    const written = session
      .query({ name: 'insert', text: 'INSERT INTO tasks (title) VALUES ($1)', values: ['a quiet writer'] })
      .then(() => waited.push(performance.now() - sent));
    await frame;
    arrived.push(performance.now() - sent);
    await written;
    await new Promise(resolve => setTimeout(resolve, PAUSE));
  }
  return { p50: quantile(arrived, 0.5), p99: quantile(arrived, 0.99), writer: quantile(waited, 0.5) };
}
