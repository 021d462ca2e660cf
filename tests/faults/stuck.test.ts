// A leader that lives but does nothing: another instance takes over, by itself, and the old one does nothing false.
import test from 'ava';
import { createTestDatabase } from '../helpers/database.ts';
import { startInstance } from '../helpers/instance.ts';
import { startLeader } from '../helpers/instance_process.ts';
import { openSocket } from '../helpers/socket.ts';
import { pidOf, readValue } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const INSERT = 'INSERT INTO tasks (title) VALUES ($1)';
const LEADER = `
  SELECT pid FROM pg_locks
  WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32 | objid::bigint) = feed.lock_key('leader')
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

test('a stopped leader is replaced: events go on at the others, and at its own once it goes on', async t => {
  const database = await createTestDatabase();
  const { child, address } = await startLeader(t, database.url);
  const instance = await startInstance(database.url);
  const [here, there] = [openSocket(instance.address, '/ws/tasks'), openSocket(address, '/ws/tasks')];
  await Promise.all([here.next(), there.next()]);

  child.kill('SIGSTOP');
  const psql = await database.psql();
  for (const title of ['one', 'two', 'three']) await psql.query(INSERT, [title]);
  t.deepEqual(
    (await here.events(3)).map(event => event.position),
    [1, 2, 3],
  );
  child.kill('SIGCONT');
  t.deepEqual(
    (await there.events(3)).map(event => event.position),
    [1, 2, 3],
  );
  here.drop();
  there.drop();
  await instance.stop();
  await database.drop();
});

test('a leader stopped in the middle of a batch: the batch counts, the next one is the new leader’s', async t => {
  const database = await createTestDatabase();
  const { child, address } = await startLeader(t, database.url);
  const instance = await startInstance(database.url);
  const [here, there] = [openSocket(instance.address, '/ws/tasks'), openSocket(address, '/ws/tasks')];
  await Promise.all([here.next(), there.next()]);
  const [psql, locker] = [await database.psql(), await database.psql()];
  const leader = await readValue<number>(psql, LEADER);

  await locker.query('BEGIN; LOCK TABLE feed.events IN EXCLUSIVE MODE');
  await psql.query(INSERT, ['numbered while the leader is stopped']);
  await until(async () => (await readValue<number[]>(psql, 'SELECT pg_blocking_pids($1)', [leader])).length);
  child.kill('SIGSTOP');
  await locker.query('COMMIT');
  t.is((await here.event()).position, 1);
  await psql.query(INSERT, ['after']);
  t.is((await here.event()).position, 2);
  t.not(await readValue(psql, LEADER), leader);
  child.kill('SIGCONT');
  await psql.query(INSERT, ['last']);
  for (const socket of [here, there]) {
    const rest = socket === here ? await here.events(1) : await there.events(3);
    t.deepEqual(
      rest.map(event => event.position),
      socket === here ? [3] : [1, 2, 3],
    );
  }
  t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);
  here.drop();
  there.drop();
  await instance.stop();
  await database.drop();
});

test('whoever holds the leader lock and numbers nothing loses it', async t => {
  const database = await createTestDatabase();
  const [holder, psql] = [await database.psql(), await database.psql()];
  await holder.query(`SELECT pg_advisory_lock(feed.lock_key('leader'))`);
  const pid = await pidOf(holder);
  const instance = await startInstance(database.url);
  const socket = openSocket(instance.address, '/ws/tasks');
  await socket.next();
  await psql.query(INSERT, ['one']);
  t.is((await socket.event()).position, 1);
  t.not(await readValue(psql, LEADER), pid);
  await t.throwsAsync(holder.query('SELECT 1'));
  socket.drop();
  await instance.stop();
  await database.drop();
});
