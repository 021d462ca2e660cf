// Advisory locks are open to every role that may connect: one who is not of the service stops nothing with them.
import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import pg from 'pg';
import { pino } from 'pino';
import { migrate } from '../../src/postgres/migrate.ts';
import { closeSession, openSession } from '../../src/postgres/session.ts';
import { createTestDatabase, SERVICE, type TestDatabase } from '../helpers/database.ts';
import { read } from '../helpers/http.ts';
import { createTestInstance, startInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';
import { readValue } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const logger = pino({ level: 'silent' });

interface Scene {
  database: TestDatabase;
  role: string;
  owner: { role: string; url: string };
  /** A session of a role that may connect and nothing more. */
  stranger(): Promise<pg.Client>;
}

/** The database, a service role that owns everything in it without being a superuser, and a role with no right at all. */
async function setScene(t: ExecutionContext): Promise<Scene> {
  const database = await createTestDatabase();
  const psql = await database.psql();
  const [role, owner] = [
    `stranger_${randomBytes(6).toString('hex')}`,
    `owner_${randomBytes(6).toString('hex')}`,
  ];
  await psql.query(`CREATE ROLE ${role} LOGIN PASSWORD 'guest'; CREATE ROLE ${owner} LOGIN PASSWORD 'guest'`);
  const sessions: pg.Client[] = [];
  const as = (name: string) =>
    Object.assign(new URL(database.url), { username: name, password: 'guest' }).href;
  t.teardown(async () => {
    await Promise.all(sessions.map(session => session.end().catch(() => {})));
    await database.drop();
    const server = await openSession({
      service: SERVICE,
      url: process.env.TEST_SERVER_URL ?? '',
      name: 'test',
    });
    await server.query(`DROP ROLE ${role}; DROP ROLE ${owner}`);
    await closeSession(server);
  });
  return {
    database,
    role,
    owner: { role: owner, url: as(owner) },
    stranger: async () => {
      const session = new pg.Client({ connectionString: as(role), application_name: 'a stranger' });
      session.on('error', () => {});
      sessions.push(session);
      await session.connect();
      return session;
    },
  };
}

/** Locks as the service does; the key is derived from names that anybody knows. */
const take = (session: pg.Client, purpose: string) =>
  session.query(`SELECT pg_advisory_lock(hashtextextended('taskwire:' || $1, 0))`, [purpose]);

test('a role that may only connect does not keep the leader lock, not even at work', async t => {
  const { database, stranger } = await setScene(t);
  const [holder, waiter] = [await stranger(), await stranger()];
  await take(holder, 'leader');
  const working = t.throwsAsync(holder.query('SELECT pg_sleep(600)'), { instanceOf: pg.DatabaseError });
  // It gets the lock before any that only tries, and loses it as well.
  const waiting = new Promise(resolve => waiter.once('end', resolve));
  take(waiter, 'leader').catch(() => {});
  await until(async () => {
    const psql = await database.psql();
    const query = `SELECT count(*)::integer FROM pg_locks WHERE locktype = 'advisory' AND pid = ANY($1)`;
    const count = await readValue<number>(psql, query, [[pidOf(holder), pidOf(waiter)]]);
    await psql.end();
    return count === 2;
  });
  const instance = await startInstance(database.url);
  t.teardown(instance.stop);
  const socket = openSocket(instance.address, '/ws/tasks');
  await socket.next();
  const psql = await database.psql();
  await psql.query(`INSERT INTO tasks (title) VALUES ('one')`);
  t.is((await socket.event()).position, 1);
  socket.drop();
  await Promise.all([working, waiting]);
});

test('where it may not be ended it is named, in the log and in readiness, until it is gone', async t => {
  const { database, owner, role, stranger } = await setScene(t);
  const psql = await database.psql();
  const name = new URL(database.url).pathname.slice(1);
  // The service’s own role owns all of it, and may end no other role’s sessions.
  await psql.query(`ALTER DATABASE ${name} OWNER TO ${owner.role}`);
  await psql.query(
    `DROP SCHEMA public, feed, graphile_worker CASCADE; CREATE SCHEMA public AUTHORIZATION ${owner.role}`,
  );
  await psql.query(`GRANT taskwire_app TO ${owner.role}`);
  await migrate({ service: SERVICE, url: owner.url, logger });
  const holder = await stranger();
  await take(holder, 'leader');

  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: line => void lines.push(line) });
  const instance = createTestInstance(owner.url, {}, log);
  t.teardown(instance.stop);
  await instance.start();
  const ready = async () => read(await fetch(`${instance.address}/health/ready`));
  const pid = pidOf(holder);
  const words = `the lock of the sequencer is held by a session that is not of the service, and which it may not end: pid ${pid}, role ${role}, application "a stranger"`;
  await until(async () => (await ready()).status === 503);
  t.deepEqual((await ready()).body.reasons, [words]);
  t.is(lines.filter(line => JSON.parse(line).msg === words).length, 1);
  await holder.end();
  await until(async () => (await ready()).status === 200);
});

test('the doorbell lock does not keep the sequencer from resting for long', async t => {
  const { database, stranger } = await setScene(t);
  const holder = await stranger();
  await take(holder, 'doorbell');
  const ended = new Promise(resolve => holder.once('end', resolve));
  const instance = await startInstance(database.url);
  t.teardown(instance.stop);
  await ended;
  t.pass();
});

test('a run whose lock a stranger holds is worked on, and rates are imported', async t => {
  const { database, stranger } = await setScene(t);
  const psql = await database.psql();
  const instance = await startInstance(database.url, { TASK_SOURCES: 'sample' });
  t.teardown(instance.stop);
  await take(await stranger(), 'rates');
  const imported = `SELECT created FROM import_rates('test', '2026-11-01', '[{"currency":"USD","name":"Dollar","nominal":1,"value":"83.5"}]', true)`;
  t.is(await readValue(psql, imported), 1);

  // Queued, and taken before any worker can.
  const holder = await stranger();
  await psql.query('BEGIN');
  const id = await readValue<string>(psql, `SELECT id FROM queue_run('task_generator')`);
  await take(holder, `run:${id}`);
  await psql.query('COMMIT');
  await until(
    async () => (await readValue(psql, 'SELECT status FROM runs WHERE id = $1', [id])) === 'succeeded',
  );
  await t.throwsAsync(holder.query('SELECT 1'));
});

test('a start does not wait for a stranger that holds the lock of migrations', async t => {
  const { database, stranger } = await setScene(t);
  const holder = await stranger();
  await take(holder, 'migrate');
  await migrate({ service: SERVICE, url: database.url, logger });
  await t.throwsAsync(holder.query('SELECT 1'));
});

// The pid that the server told at the start; its type is not known to pg's types.
function pidOf(session: pg.Client): number {
  return (session as unknown as { processID: number }).processID;
}
