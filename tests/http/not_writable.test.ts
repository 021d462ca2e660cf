// A database that can be read and not written says so: to the client, to whoever probes readiness, and once in the log.
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { createTestDatabase } from '../helpers/database.ts';
import { learnFrames } from '../helpers/frames.ts';
import { senderTo } from '../helpers/http.ts';
import { createTestInstance } from '../helpers/instance.ts';
import { until } from '../helpers/until.ts';

async function start(t: ExecutionContext) {
  const database = await createTestDatabase();
  const log: { msg: string; level: number }[] = [];
  const logger = pino({ level: 'info' }, { write: line => void log.push(JSON.parse(line)) });
  const instance = createTestInstance(database.url, {}, logger);
  t.teardown(async () => {
    await instance.stop();
    await database.drop();
  });
  await instance.start();
  await learnFrames(instance.address);
  const send = senderTo(instance.address);
  return { psql: await database.psql(), send, log, ready: () => send('GET', '/health/ready') };
}

// No disk can be filled here without filling everybody's: the error is the server's own, raised where it would be.
const FULL = `
  CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'could not extend file "base/5/16384": No space left on device' USING ERRCODE = 'disk_full';
  END $$;
  CREATE TRIGGER full_disk BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION full_disk();
  CREATE TRIGGER full_disk BEFORE INSERT ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION full_disk();`;

test('a full disk is 503 with its name, in readiness too, and over when a write is taken again', async t => {
  const { psql, send, log, ready } = await start(t);
  t.is((await ready()).status, 200);
  await psql.query(FULL);
  for (let count = 0; count < 3; count++) {
    const { status, headers, body } = await send('POST', '/tasks', { title: 'x' });
    t.is(status, 503);
    t.is(headers.get('retry-after'), '1');
    t.like(body, {
      type: '/problems/not-writable',
      detail: 'the database takes no changes: its disk is full',
    });
  }
  t.is((await send('GET', '/tasks')).status, 200);
  t.like(await ready(), {
    status: 503,
    body: { reasons: ['the database takes no changes: its disk is full'] },
  });
  await psql.query('DROP FUNCTION full_disk CASCADE');
  t.is((await ready()).status, 200);
  t.is((await send('POST', '/tasks', { title: 'x' })).status, 201);
  const said = log.map(({ msg }) => msg);
  t.is(said.filter(msg => msg === 'the database takes no changes').length, 1);
  t.is(said.filter(msg => msg === 'the database takes changes again').length, 1);
  t.false(said.includes('the database is away'));
});

test('a database made read-only is 503 with that word, and not ready without a write', async t => {
  const { psql, send, ready } = await start(t);
  const { rows } = await psql.query('SELECT quote_ident(current_database()) AS name');
  const setReadOnly = async (value: string) => {
    await psql.query(`ALTER DATABASE ${rows[0].name} SET default_transaction_read_only = ${value}`);
    await psql.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
  };
  await setReadOnly('on');
  const reason = 'the database takes no changes: it is read-only';
  // First its connections are found out to be gone.
  await until(async () => (await ready()).body.reasons?.includes(reason));
  t.like(await send('POST', '/tasks', { title: 'x' }), { status: 503, body: { detail: reason } });
  t.is((await send('GET', '/tasks')).status, 200);
});
