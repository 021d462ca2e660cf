// /health/ready of a whole instance: 503 and the reason while it cannot work, 200 as soon as it can again.
import test, { type ExecutionContext } from 'ava';
import { createCable } from '../helpers/cable.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { type Answer, read } from '../helpers/http.ts';
import { startInstance } from '../helpers/instance.ts';
import { until } from '../helpers/until.ts';

async function start(t: ExecutionContext, through: (url: string) => string = url => url) {
  const database = await createTestDatabase();
  const instance = await startInstance(through(database.url));
  t.teardown(async () => {
    await instance.stop();
    await database.drop();
  });
  const ready = async (): Promise<Answer> => read(await fetch(`${instance.address}/health/ready`));
  const untilReady = () => until(async () => (await ready()).status === 200);
  const scrape = async () => (await fetch(`${instance.address}/metrics`)).text();
  return { database, ready, untilReady, scrape };
}

test('readiness names what the loss of the database takes away, and returns with it', async t => {
  const cable = await createCable(new URL(process.env.TEST_SERVER_URL ?? ''));
  t.teardown(() => cable.cut()); // after the instance has stopped: its listener never gives up
  const { ready, untilReady, scrape } = await start(t, cable.through);
  await untilReady();
  cable.cut();
  const away = await until(async () => {
    const answer = await ready();
    return answer.body.reasons?.length === 2 ? answer : undefined;
  });
  t.is(away.status, 503);
  t.deepEqual(away.body, {
    status: 'unavailable',
    reasons: ['the database is away; try again', 'the listener does not listen'],
    runbook: [
      'docs/operations/runbook.md#the-database-is-away',
      'docs/operations/runbook.md#the-relay-is-behind',
    ],
  });
  const metrics = await scrape();
  t.regex(metrics, /^taskwire_database_up 0$/m);
  t.regex(metrics, /^taskwire_log_head nan$/im);
  cable.mend();
  await untilReady();
  t.deepEqual((await ready()).body, { status: 'ok' });
});

test('a schema that is not the one of this version is named', async t => {
  const { database, ready, untilReady } = await start(t);
  await untilReady();
  const psql = await database.psql();
  await psql.query("DELETE FROM feed.migrations WHERE name = '0003_runs'");
  await psql.query("UPDATE feed.log SET sql_hash = 'another'");
  const { status, body } = await ready();
  t.is(status, 503);
  t.deepEqual(body.reasons, [
    'the migration 0003_runs is not applied',
    'sql/ in the database is not the one of this version',
  ]);
});

test('an instance stays ready on the schema of a newer version, and warns of it', async t => {
  const { database, ready, untilReady } = await start(t);
  await untilReady();
  const psql = await database.psql();
  await psql.query(`INSERT INTO feed.migrations (name, run_on) VALUES ('9999_newer', now())`);
  await psql.query(`UPDATE feed.log SET sql_hash = 'newer', sql_version = 1000000`);
  const { status, body } = await ready();
  t.is(status, 200);
  t.is(body.status, 'ok');
  t.regex(body.warnings?.[0] ?? '', /^the database has migrations of a newer version, up to 9999_newer;/);
  t.regex(body.warnings?.[1] ?? '', /^sql\/ in the database is of a newer version, 1000000;/);
  t.is(body.warnings?.length, 2);
  t.deepEqual(body.runbook, ['docs/operations/runbook.md#the-schema-is-newer-than-the-program']);
});

test('an instance is not ready while nobody numbers what was committed', async t => {
  const { database, ready, untilReady } = await start(t);
  await untilReady();
  const psql = await database.psql();
  const { rows } = await psql.query(
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'taskwire sequencer'",
  );
  // The lock is waited for, so that it is ours as soon as the sequencer's session is gone.
  const other = await database.psql();
  const taken = other.query("SELECT pg_advisory_lock(feed.lock_key('leader'))");
  await psql.query('SELECT pg_terminate_backend($1)', [rows[0].pid]);
  await taken;
  await psql.query(
    `INSERT INTO feed.staged (xid, topic, type, subject, "time", origin, data)
     VALUES (pg_current_xact_id(), 'tasks', 'task_created', 'x', now() - interval '1 minute', 'psql', '{}')`,
  );
  const stuck = await ready();
  t.is(stuck.status, 503);
  t.deepEqual(stuck.body.reasons, ['committed changes are not being numbered']);
  await other.end();
  await untilReady();
  t.pass();
});
