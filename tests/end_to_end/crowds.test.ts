// One client that asks for all that it can, and another one that wants to write meanwhile: it is served, and the process,
// with a heap of 512 MB, lives on. The figures are told, not judged: how long a write takes is the machine's affair, too.
// CROWD_HISTORY=80 makes the histories so many megabytes large.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import anyTest, { type ExecutionContext, type TestFn } from 'ava';
import type pg from 'pg';
import { WebSocket } from 'ws';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { type Running, startProcess } from '../helpers/process.ts';

interface Scene {
  database: TestDatabase;
  service: Running;
  psql: pg.Client;
}

const test = anyTest as TestFn<Scene>;
const SERVES = /the API is at (http:[^"\s]+)/;
const HEAP = '--max-old-space-size=512';
const HISTORY = Number(process.env.CROWD_HISTORY ?? 8); // MB
const WRITES = 10; // while a crowd is at it
const WORDS = Array.from({ length: 70 }, (_, n) => `word${n}`);
const PHRASE = `"${[...WORDS].reverse().join(' ')}"`.slice(0, 499); // in every task all of its words, in none the phrase

test.before(async t => {
  const database = await createTestDatabase();
  const env = { DATABASE_URL: database.url, PORT: '0', GENERATOR_CRON: 'off', RATES_CRON: 'off' };
  const service = await startProcess(process.execPath, [HEAP, 'src/main.ts'], env, SERVES);
  const psql = await database.psql();
  await psql.query(`INSERT INTO tasks (title) SELECT 'task ' || n FROM generate_series(1, 10000) AS n`);
  Object.assign(t.context, { database, service, psql });
});

test.after.always(async t => {
  await t.context.service?.stop();
  await t.context.database?.drop();
});

// Somebody else's writes, one after the other, until there were some and the crowd has what it came for.
async function writeBeside(t: ExecutionContext<Scene>, crowd: Promise<unknown>, what: string): Promise<void> {
  const { service } = t.context;
  let isOver = false;
  const over = crowd.finally(() => {
    isOver = true;
  });
  const took: number[] = [];
  while (!isOver || took.length < WRITES) {
    const began = performance.now();
    const answer = await fetch(`${service.address}/tasks`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"title":"written meanwhile"}',
    });
    took.push(performance.now() - began);
    t.is(answer.status, 201, `${what}: ${await answer.text()}`);
  }
  await over;
  t.is(service.child.exitCode, null, 'the process lives');
  const sorted = took.toSorted((a, b) => a - b);
  const [median = 0, longest = 0] = [sorted[sorted.length >> 1], sorted.at(-1)];
  t.log(`${what}: ${took.length} writes, ${Math.round(median)} ms, at most ${Math.round(longest)} ms`);
}

// Resolves once the socket has heard where its snapshot is of; `taken` once all of it has come, which nobody here reads.
async function beginSnapshot(address: string): Promise<{ taken: Promise<void> }> {
  const socket = new WebSocket(`${address.replace('http', 'ws')}/ws/tasks?snapshot=true`);
  const taken = new Promise<void>((resolve, reject) => {
    socket.on('message', (data: Buffer) => {
      if (data.subarray(-20).includes('"last":true')) resolve();
    });
    socket.on('close', code => reject(new Error(`a snapshot ended with ${code}`)));
  });
  await once(socket, 'message');
  return { taken: taken.then(() => void socket.removeAllListeners('close').terminate()) };
}

test.serial('100 snapshots, one after the other, beside a bulk insert', async t => {
  const { service, psql } = t.context;
  let isOver = false;
  const insert = async () => {
    for (let batch = 0; batch < 20 || !isOver; batch++)
      await psql.query(`INSERT INTO tasks (title) SELECT 'bulk ' || n FROM generate_series(1, 500) AS n`);
  };
  const begin = async () => {
    const all: Promise<void>[] = [];
    while (all.length < 100) all.push((await beginSnapshot(service.address)).taken);
    isOver = true;
    await Promise.all(all);
    return performance.now() - began;
  };
  const began = performance.now();
  const taken = begin();
  await writeBeside(t, Promise.all([taken, insert()]), '100 snapshots beside an insert');
  t.log(`the snapshots took ${Math.round(await taken)} ms`);
});

test.serial('2,000 sockets', async t => {
  const { service } = t.context;
  const sockets: WebSocket[] = [];
  const open = async () => {
    for (let group = 0; group < 40; group++)
      await Promise.all(
        Array.from({ length: 50 }, async () => {
          const socket = new WebSocket(`${service.address.replace('http', 'ws')}/ws/tasks`);
          sockets.push(socket);
          await once(socket, 'message');
        }),
      );
  };
  await writeBeside(t, open(), '2,000 sockets');
  for (const socket of sockets) socket.terminate();
});

test.serial('40 searches for a phrase of 500 characters', async t => {
  const { service, psql } = t.context;
  await psql.query(
    `INSERT INTO tasks (title, description) SELECT 'long ' || n, $1 FROM generate_series(1, 4000) AS n`,
    [`${WORDS.join(' ')} `.repeat(18).slice(0, 9_900)],
  );
  await psql.query('VACUUM ANALYZE tasks');
  const search = async () => {
    const answer = await fetch(`${service.address}/tasks?q=${encodeURIComponent(PHRASE)}`);
    await answer.text();
    return answer.status;
  };
  const crowd = Promise.all(Array.from({ length: 40 }, search));
  await writeBeside(t, crowd, '40 searches');
  t.true((await crowd).every(status => [200, 503].includes(status)));
});

test.serial('12 histories of many megabytes', async t => {
  const { service, psql } = t.context;
  const { rows } = await psql.query(`SELECT id FROM tasks WHERE title = 'long 1'`);
  const [{ id }] = rows;
  await psql.query(`DO $$ BEGIN
    FOR n IN 1..${HISTORY * 50} LOOP
      UPDATE tasks SET description = repeat(n || ' ', 9900 / length(n || ' ')) WHERE id = '${id}';
    END LOOP;
  END $$`);
  const readAll = async () => {
    let bytes = 0;
    for (let path: string | null = `/tasks/${id}/history`; path; ) {
      const answer: Response = await fetch(`${service.address}${path}`);
      if (answer.status === 503) continue; // others are at it, and it is asked for again
      const text = await answer.text();
      t.is(answer.status, 200, text.slice(0, 300));
      bytes += text.length;
      const { next_cursor: cursor } = JSON.parse(text);
      path = cursor && `/tasks/${id}/history?cursor=${encodeURIComponent(cursor)}`;
    }
    return bytes;
  };
  const crowd = Promise.all(Array.from({ length: 12 }, readAll));
  await writeBeside(t, crowd, `12 histories of ${HISTORY} MB`);
  t.true(
    (await crowd).every(bytes => bytes > HISTORY * 900_000),
    String(await crowd),
  );
});

test.serial('8 clients that ask for a hundred pages each and read none', async t => {
  const { service } = t.context;
  const { port } = new URL(service.address);
  const request = 'GET /tasks?limit=200 HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const clients = Array.from({ length: 8 }, () => connect(Number(port), '127.0.0.1'));
  const asked = clients.map(
    (client: Socket) => new Promise<void>(resolve => client.write(request.repeat(100), () => resolve())),
  );
  for (const client of clients) client.pause();
  await writeBeside(t, Promise.all(asked), '8 clients that do not read');
  const metrics = await (await fetch(`${service.address}/metrics`)).text();
  const value = /^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1];
  t.log(`resident at the end: ${Math.round(Number(value) / 1024 / 1024)} MB`);
  for (const client of clients) client.destroy();
});
