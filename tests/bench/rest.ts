// REST under 32 connections against node:http and pg alone, on a database of the same schema, with the same triggers:
// what is measured is the service, not what an event costs PostgreSQL. The floor's events are not even numbered.

import { type Running, startService } from '../helpers/process.ts';
import type { Bench, BenchDatabase } from './bench.ts';
import { type Answer, encodeRequest, sendAll } from './http_load.ts';
import { startFloor } from './processes.ts';
import { measure, type Row } from './rounds.ts';

const CONNECTIONS = 32;
const TASKS = 1_000; // there beforehand
const CREATES = 3_000; // per round
const READS = 6_000;
const LISTS = 1_500;

const CREATE = encodeRequest('POST', '/tasks', { title: 'one of many', labels: ['bench'] });
const LIST = encodeRequest('GET', '/tasks?limit=50');

export async function rest({ createDatabase, rounds }: Bench): Promise<Row[]> {
  const [ourDatabase, floorDatabase] = [await createDatabase(), await createDatabase()];
  const service = await startService(ourDatabase.url);
  await floorDatabase.migrate();
  const floor = await startFloor('floor_rest.ts', floorDatabase.url);
  try {
    const contenders = [
      { name: 'ours', run: await prepare(service, ourDatabase) },
      { name: 'floor', run: await prepare(floor, floorDatabase) },
    ];
    const figures = await measure(contenders, rounds);
    const row = (name: string, figure: string): Row => {
      const [ours, base] = [figures.ours?.[name] ?? Number.NaN, figures.floor?.[name] ?? Number.NaN];
      return { figure, ours, floor: base, unit: 'req/s', target: { atLeast: 0.7 } };
    };
    return [row('create', 'POST /tasks'), row('read', 'GET /tasks/{id}'), row('list', 'GET /tasks?limit=50')];
  } finally {
    await service.stop();
    await floor.stop();
  }
}

async function prepare({ address }: Running, database: BenchDatabase) {
  await database.query(
    `INSERT INTO tasks (title) SELECT 'task ' || n FROM generate_series(1, ${TASKS}) AS n`,
  );
  const { rows } = await database.query('SELECT id::text, feed.render(t)::text AS document FROM tasks AS t');
  const reads = Array.from({ length: READS }, (_, index) => rows[index % TASKS]);
  const documents = reads.map(({ document }) => Buffer.from(document));
  const readRequests = reads.map(({ id }) => encodeRequest('GET', `/tasks/${id}`));
  return async () => ({
    create: await create(address, database),
    read: await rate(address, readRequests, (answer, index) => expect(answer, 200, documents[index])),
    list: await list(address, database),
  });
}

async function create(address: string, database: BenchDatabase): Promise<number> {
  const before = await count(database);
  const figure = await rate(address, Array<Buffer>(CREATES).fill(CREATE), answer => {
    const { title, labels } = JSON.parse(String(answer.body));
    if (answer.status !== 201 || title !== 'one of many' || labels[0] !== 'bench') throw wrong(answer);
  });
  const created = (await count(database)) - before;
  if (created !== CREATES) throw new Error(`${created} tasks were created instead of ${CREATES}`);
  return figure;
}

async function list(address: string, database: BenchDatabase): Promise<number> {
  const { rows } = await database.query(`
    SELECT '[' || string_agg(document, ',') || ']' AS data
    FROM (SELECT feed.render(t)::text AS document FROM tasks AS t ORDER BY created_at DESC, id DESC LIMIT 50) AS page`);
  const expected = Buffer.from(`{"data":${rows[0].data},"next_cursor":"`);
  return rate(address, Array<Buffer>(LISTS).fill(LIST), ({ status, body }) =>
    expect({ status, body: body.subarray(0, expected.length) }, 200, expected),
  );
}

async function rate(
  address: string,
  requests: readonly Buffer[],
  check: (answer: Answer, index: number) => void,
): Promise<number> {
  const started = performance.now();
  await sendAll(address, CONNECTIONS, requests, check);
  return (requests.length * 1000) / (performance.now() - started);
}

function expect(answer: Answer, status: number, body: Buffer | undefined): void {
  if (answer.status !== status || !body?.equals(answer.body)) throw wrong(answer);
}

function wrong({ status, body }: Answer): Error {
  return new Error(`a wrong answer: ${status} ${body.toString().slice(0, 200)}`);
}

async function count(database: BenchDatabase): Promise<number> {
  const { rows } = await database.query('SELECT count(*)::integer AS count FROM tasks');
  return rows[0].count;
}
