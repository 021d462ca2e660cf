// A log with large events: read to its end in pages that are small, whatever it holds.
import test, { type ExecutionContext } from 'ava';
import { createTestDatabase } from '../helpers/database.ts';
import { read } from '../helpers/http.ts';
import { startInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';
import { until } from '../helpers/until.ts';

const DOCS = `
  CREATE TABLE docs (id integer PRIMARY KEY, body text);
  SELECT feed.watch('docs', 'docs', 'doc')`;

async function scene(t: ExecutionContext, before: string) {
  const database = await createTestDatabase();
  t.teardown(database.drop);
  const psql = await database.psql();
  await psql.query(DOCS);
  await psql.query(before);
  const instance = await startInstance(database.url);
  t.teardown(instance.stop);
  const head = async () => (await read(await fetch(`${instance.address}/events?limit=1`))).body.head;
  return { psql, address: instance.address, head };
}

test('an event that no reader could take, from before there was a limit, ends the reading of no other', async t => {
  const { psql, address, head } = await scene(
    t,
    `INSERT INTO feed.staged (xid, topic, type, subject, "time", origin, data)
     SELECT pg_current_xact_id(), 'docs', 'doc_created', '9', now(), 'psql', ('"' || repeat('x', 280000000) || '"')::json;
     INSERT INTO docs VALUES (1, 'small')`,
  );
  await until(head, found => found === 2);
  const { body } = await read(await fetch(`${address}/events?after=0`));
  t.like(body.data, [{ position: 1, subject: '9', data: { doc: null } }, { position: 2 }]);
  const socket = openSocket(address, '/ws/events?after=0');
  t.teardown(socket.drop);
  t.like(await socket.events(2), [{ position: 1, data: { doc: null } }, { position: 2 }]);
  await psql.query(`INSERT INTO docs VALUES (2, 'next')`);
  t.like(await socket.event(), { position: 3, data: { doc: { body: 'next' } } });
});

test('pages of large events are short, follow each other without a gap, and do not change', async t => {
  const { address, head } = await scene(
    t,
    `INSERT INTO docs SELECT n, repeat('x', 300000) FROM generate_series(1, 30) AS n`,
  );
  await until(head, found => found === 30);
  const log = (await fetch(`${address}/events`)).headers.get('Taskwire-Log');
  const positions: number[] = [];
  while (positions.length < 30) {
    const after = positions.at(-1) ?? 0;
    const { body, headers } = await read(
      await fetch(`${address}/events?after=${after}&limit=1000&log=${log}`),
    );
    t.true(body.data.length <= 4);
    t.is(body.next_after, body.data.at(-1).position);
    if (body.next_after < 28) t.regex(String(headers.get('Cache-Control')), /immutable/);
    positions.push(...body.data.map(({ position }: { position: number }) => position));
  }
  t.deepEqual(
    positions,
    Array.from({ length: 30 }, (_, index) => index + 1),
  );
});

test('a snapshot of large rows has each of them once', async t => {
  const { address, head } = await scene(
    t,
    `INSERT INTO docs SELECT n, repeat('x', 300000) FROM generate_series(1, 30) AS n`,
  );
  await until(head, found => found === 30);
  const socket = openSocket(address, '/ws/events?snapshot=true');
  t.teardown(socket.drop);
  const ids: number[] = [];
  for (let isLast = false; !isLast; ) {
    const frame: { type: string; topic?: string; last?: boolean; data?: unknown } = await socket.next();
    if (frame.type !== 'snapshot' || frame.topic !== 'docs') continue;
    ids.push(...(frame.data as { id: number }[]).map(({ id }) => id));
    isLast = frame.last === true;
  }
  t.deepEqual(
    ids,
    Array.from({ length: 30 }, (_, index) => index + 1),
  );
});

test('one subject of large events, filtered, is heard without a gap', async t => {
  const { psql, address, head } = await scene(t, `INSERT INTO docs VALUES (1, '')`);
  for (let n = 1; n <= 8; n++) await psql.query(`UPDATE docs SET body = repeat($1, 300000)`, [String(n)]);
  await psql.query('DELETE FROM docs');
  await until(head, found => found === 10);
  const socket = openSocket(address, '/ws/events?after=0&subject=1');
  t.teardown(socket.drop);
  const heard = await socket.events(10);
  t.deepEqual(
    heard.map(({ position }) => position),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
});
