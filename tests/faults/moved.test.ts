// The data moves to another cluster (a restored dump, a promoted replica, recovery to a point in time): what is staged
// is not lost, numbering goes on, and clients of the old log are reset.
import test from 'ava';
import { createTestDatabase } from '../helpers/database.ts';
import { read } from '../helpers/http.ts';
import { startInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';

// What makes the move: ids of transactions that this cluster has yet to reach, in the last snapshot and in staged
// rows, and the mark of another cluster.
const MOVE = `
  INSERT INTO feed.event_batches (last_position, snapshot, at)
    SELECT max(last_position), '900000000:900000000:', now() FROM feed.event_batches;
  INSERT INTO feed.staged (xid, topic, type, subject, "time", origin, data)
    SELECT '900000005', 'tasks', 'task_created', '0198c0de-0000-7000-8000-000000000000', now(), 'psql',
      (feed.render(t)::jsonb || '{"id": "0198c0de-0000-7000-8000-000000000000", "title": "staged there"}')::json
    FROM tasks AS t;
  UPDATE feed.log SET system_identifier = 1;`;

// An instance takes connections before its sequencer has looked where it is: whoever is quicker is reset, and comes back.
async function followNew(address: string, old: string, count: number) {
  for (;;) {
    const socket = openSocket(address, '/ws/tasks?after=0');
    const ready = await socket.next();
    const events = await socket.events(count).catch((error: Error) => {
      if (/was closed: 4410/.test(error.message)) return undefined;
      throw error;
    });
    socket.drop();
    if (events && ready.log !== old) return { ready, events };
  }
}

test('on another cluster nothing staged is lost, numbering goes on, and clients of the old log are reset', async t => {
  const database = await createTestDatabase();
  const psql = await database.psql();
  const before = await startInstance(database.url);
  const socket = openSocket(before.address, '/ws/tasks');
  const { log } = await socket.next();
  await psql.query(`INSERT INTO tasks (title) VALUES ('there')`);
  t.is((await socket.event()).position, 1);
  await before.stop();
  await psql.query(MOVE);
  await psql.query(`INSERT INTO tasks (title) VALUES ('here, before the service')`);

  const after = await startInstance(database.url);
  await psql.query(`INSERT INTO tasks (title) VALUES ('here')`);
  const { ready, events } = await followNew(after.address, String(log), 4);
  t.not(ready.log, log);
  t.deepEqual(
    events.map(event => [event.position, event.data?.task?.title]),
    [
      [1, 'there'],
      [2, 'staged there'],
      [3, 'here, before the service'],
      [4, 'here'],
    ],
  );
  const old = openSocket(after.address, `/ws/tasks?after=1&log=${log}`);
  t.like(await old.next(), { type: 'reset', reason: 'other_log' });
  t.is((await old.closed).code, 4410);
  await after.stop();
  await database.drop();
});

test('SELECT feed.new_log() by hand resets whoever is connected', async t => {
  const database = await createTestDatabase();
  const psql = await database.psql();
  const instance = await startInstance(database.url);
  const socket = openSocket(instance.address, '/ws/tasks');
  const { log } = await socket.next();
  await psql.query(`INSERT INTO tasks (title) VALUES ('before')`);
  await socket.event();
  const { rows } = await psql.query('SELECT feed.new_log() AS log');
  t.like(await socket.next(), { type: 'reset', reason: 'other_log' });
  t.is((await socket.closed).code, 4410);
  const again = openSocket(instance.address, '/ws/tasks?after=0');
  t.is((await again.next()).log, rows[0].log);
  t.not(rows[0].log, log);
  await psql.query(`INSERT INTO tasks (title) VALUES ('after')`);
  t.deepEqual(
    (await again.events(2)).map(event => event.position),
    [1, 2],
  );
  again.drop();
  await instance.stop();
  await database.drop();
});

test('who comes with the log that is there now is served, though the instance has yet to hear of it', async t => {
  const database = await createTestDatabase();
  const psql = await database.psql();
  const instance = await startInstance(database.url);
  await psql.query(`INSERT INTO tasks (title) VALUES ('earlier')`);
  const first = openSocket(instance.address, '/ws/tasks?after=0');
  await first.event();
  for (let round = 0; round < 10; round++) {
    // In one statement, so that the listener is gone before the NOTIFY comes.
    const { rows } = await psql.query(`
      SELECT feed.new_log() AS log, (SELECT max(last_position)::integer FROM feed.event_batches) AS head,
        (SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'taskwire listener')`);
    const [{ log, head }] = rows;
    const [socket, paths] = [
      openSocket(instance.address, `/ws/tasks?after=${head}&log=${log}`),
      fetch(`${instance.address}/events?after=${head}&log=${log}&wait=30`),
    ];
    t.like(await socket.next(), { type: 'ready', log });
    await psql.query(`INSERT INTO tasks (title) VALUES ('later')`);
    t.is((await socket.event()).position, head + 1);
    const page = await paths;
    t.is(page.status, 200);
    t.is((await read(page)).body.data[0].position, head + 1);
    socket.drop();
  }
  await instance.stop();
  await database.drop();
});
