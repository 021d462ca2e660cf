// A database that can be read and not written says so: to the client, to whoever probes readiness, and once in the log.
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { createTestDatabase } from '../helpers/database.ts';
import { learnFrames } from '../helpers/frames.ts';
import { senderTo } from '../helpers/http.ts';
import { createTestInstance } from '../helpers/instance.ts';

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

// No disk can be filled here without filling everybody's, and a server that becomes a standby loses its connections: the
// error is the server's own, raised where it would be.
const refusing = (state: string) => `
  CREATE FUNCTION refuse_writes() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    RAISE EXCEPTION 'no' USING ERRCODE = '${state}';
  END $$;
  CREATE TRIGGER refuse_writes BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION refuse_writes();
  CREATE TRIGGER refuse_writes BEFORE INSERT ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION refuse_writes();`;

for (const [state, reason] of [
  ['disk_full', 'its disk is full'],
  ['read_only_sql_transaction', 'it is read-only'],
] as const)
  test(`that ${reason} is told as 503, in readiness too, and is over when a write is taken again`, async t => {
    const { psql, send, log, ready } = await start(t);
    t.is((await ready()).status, 200);
    await psql.query(refusing(state));
    const detail = `the database takes no changes: ${reason}`;
    for (let count = 0; count < 3; count++) {
      const { status, headers, body } = await send('POST', '/tasks', { title: 'x' });
      t.is(status, 503);
      t.is(headers.get('retry-after'), '1');
      t.like(body, { type: '/problems/not-writable', detail });
    }
    t.is((await send('GET', '/tasks')).status, 200);
    t.like(await ready(), { status: 503, body: { reasons: [detail] } });
    await psql.query('DROP FUNCTION refuse_writes CASCADE');
    t.is((await ready()).status, 200);
    t.is((await send('POST', '/tasks', { title: 'x' })).status, 201);
    const said = log.map(({ msg }) => msg);
    t.is(said.filter(msg => msg === 'the database takes no changes').length, 1);
    t.is(said.filter(msg => msg === 'the database takes changes again').length, 1);
    t.false(said.includes('the database is away'));
  });
