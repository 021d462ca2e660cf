// The service behind PgBouncer in transaction mode, as Debian ships it: each transaction of the pool may be on another
// connection to the server.
import type { ExecutionContext } from 'ava';
import { sql } from 'slonik';
import { z } from 'zod';
import { parse } from '../../src/config.ts';
import { createInstance } from '../../src/instance/instance.ts';
import { createLogger } from '../../src/logger.ts';
import { translateDatabaseError } from '../../src/postgres/errors.ts';
import { openPool } from '../../src/postgres/pool.ts';
import { closeSession, openBareSession } from '../../src/postgres/session.ts';
import { createTestDatabase, SERVICE } from '../helpers/database.ts';
import { type Answer, read } from '../helpers/http.ts';
import { pgbouncerTest, startPgbouncer } from '../helpers/pgbouncer.ts';
import { openSocket } from '../helpers/socket.ts';
import { readValue } from '../helpers/sql.ts';

const CONNECTIONS = 4; // of the pooler to the server, fewer than the pool has to the pooler
const logger = createLogger({ level: 'silent', pretty: false });

async function start(t: ExecutionContext) {
  const database = await createTestDatabase();
  const psql = await database.psql();
  // What a role has for people must not reach requests, and what requests need must not reach others.
  const name = new URL(database.url).pathname.slice(1);
  await psql.query(`ALTER DATABASE ${name} SET default_transaction_isolation = 'serializable'`);
  await psql.query(`ALTER DATABASE ${name} SET statement_timeout = '45s'`);
  await psql.query(`ALTER DATABASE ${name} SET quote_all_identifiers = on`);
  const pgbouncer = await startPgbouncer(database.url, CONNECTIONS); // its connections have the defaults of their beginning
  t.teardown(async () => {
    await pgbouncer.stop();
    await database.drop();
  });
  return { database, psql, url: pgbouncer.through(database.url) };
}

async function startInstance(t: ExecutionContext, throughPooler: string, direct: string) {
  const settings = {
    DATABASE_URL: throughPooler,
    DATABASE_DIRECT_URL: direct,
    PORT: '0',
    GENERATOR_CRON: 'off',
    RATES_CRON: 'off',
  };
  const config = parse(settings, []);
  const instance = createInstance({ config, databaseUrl: throughPooler, directUrl: direct, logger });
  await instance.start();
  t.teardown(instance.stop);
  return async (method: string, path: string, body?: object, headers = {}): Promise<Answer> => {
    const answer = await fetch(`${instance.address}${path}`, {
      method,
      headers: { 'Content-Type': 'application/json', ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
    return read(answer);
  };
}

pgbouncerTest(
  '372 requests of every kind and 80 writes at once are answered as without a pooler',
  async t => {
    const { database, psql, url } = await start(t);
    const call = await startInstance(t, url, database.url);
    const { body: task } = await call('POST', '/tasks', { title: 'first' });
    await call('POST', '/currencies', { currency: 'USD', rate: '83.5' });
    const kinds: (readonly [number, (index: number) => Promise<Answer>])[] = [
      [201, index => call('POST', '/tasks', { title: `task ${index}` })],
      [201, index => call('POST', '/tasks', { title: 'keyed' }, { 'Idempotency-Key': `key ${index}` })],
      [200, index => call('PATCH', `/tasks/${task.id}`, { description: `round ${index}` })],
      [200, () => call('GET', `/tasks/${task.id}`)],
      [200, () => call('GET', `/tasks/${task.id}/history`)],
      [200, () => call('GET', '/tasks?q=task&limit=5&sort=-priority')],
      [200, () => call('GET', '/tasks?as_of=1')],
      [200, index => call('PATCH', '/currencies/USD', { rate: String(80 + index / 100) })],
      [200, () => call('GET', '/events?after=0&limit=10')],
      [404, () => call('GET', '/tasks/0198c0de-0000-7000-8000-000000000000')],
      [422, () => call('POST', '/tasks', { title: ' ' })],
      [
        200,
        index => {
          const create = { op: 'create', task: { title: `batched ${index}` } };
          return call('POST', '/tasks/batch', { operations: [create, create] });
        },
      ],
    ];
    const expected: number[] = [];
    const answers = await Promise.all(
      Array.from({ length: 372 }, (_, index) => {
        const [status, send] = kinds[index % kinds.length] ?? [0, () => call('GET', '/')];
        expected.push(status);
        return send(index);
      }),
    );
    t.deepEqual(
      answers.map(({ status }) => status),
      expected,
    );
    const writes = await Promise.all(
      Array.from({ length: 80 }, (_, index) => call('POST', '/tasks', { title: `at once ${index}` })),
    );
    t.deepEqual([...new Set(writes.map(({ status }) => status))], [201]);
    t.is((await call('GET', '/health/ready')).status, 200);
    t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);
  },
);

pgbouncerTest('what is written through it is heard, also of a service with a name of its own', async t => {
  const { database, url } = await start(t);
  const settings = {
    DATABASE_URL: url,
    DATABASE_DIRECT_URL: database.url,
    SERVICE_NAME: 'shop',
    PORT: '0',
    GENERATOR_CRON: 'off',
    RATES_CRON: 'off',
  };
  const config = parse(settings, []);
  const instance = createInstance({ config, databaseUrl: url, directUrl: database.url, logger });
  await instance.start();
  t.teardown(instance.stop);
  const socket = openSocket(instance.address, '/ws/tasks');
  await socket.next();
  for (const title of ['one', 'two']) {
    const answer = await fetch(`${instance.address}/tasks`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ title }),
    });
    t.is(answer.status, 201);
    t.like(await socket.event(), { type: 'task_created', origin: 'rest' });
  }
  socket.drop();
});

pgbouncerTest(
  'a statement has its timeout, a transaction its settings, and nothing of them is left to others',
  async t => {
    const { url } = await start(t);
    const pool = await openPool({
      service: SERVICE,
      url,
      size: 8,
      role: false,
      throughPooler: true,
      statementTimeout: 250,
    });
    t.teardown(() => pool.end());
    const Shown = z.strictObject({ isolation: z.string(), timeout: z.string(), quoted: z.string() });
    const show = sql.prepared('show', Shown)`
    SELECT current_setting('transaction_isolation') AS isolation, current_setting('statement_timeout') AS timeout,
      current_setting('quote_all_identifiers') AS quoted`;
    const ours = { isolation: 'read committed', timeout: '250ms', quoted: 'off' };
    t.deepEqual(await pool.one(show), ours);
    await pool.transaction(async on => {
      t.deepEqual(await on.one(show), ours);
      t.deepEqual(await on.one(show), ours);
    });

    const late = [
      pool.query(sql.unsafe`SELECT pg_sleep(60)`),
      pool.transaction(on => on.query(sql.unsafe`SELECT pg_sleep(60)`)),
    ];
    for (const outcome of await Promise.allSettled(late)) {
      if (outcome.status === 'fulfilled') t.fail();
      else t.is(translateDatabaseError(outcome.reason)?.code, 'timeout');
    }
    await Promise.all(Array.from({ length: 40 }, () => pool.one(show)));

    // Another client of the same connections to the server.
    const other = await openBareSession({ service: SERVICE, url, name: 'another' });
    t.is(await readValue(other, 'SHOW transaction_isolation'), 'serializable');
    t.is(await readValue(other, 'SHOW statement_timeout'), '45s');
    t.is(await readValue(other, 'SHOW quote_all_identifiers'), 'on');
    t.is(await readValue(other, 'SELECT count(*)::integer FROM pg_prepared_statements'), 0);
    await closeSession(other);
  },
);
