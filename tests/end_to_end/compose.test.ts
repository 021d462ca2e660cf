// docker-compose.yml: one login migrates and another works, neither is a superuser, and a password may hold what no address can.
import test from 'ava';
import { read, senderTo } from '../helpers/http.ts';
import { type Running, runToEnd } from '../helpers/process.ts';
import { openSocket } from '../helpers/socket.ts';
import { readValue, refusal } from '../helpers/sql.ts';
import {
  INSUFFICIENT_PRIVILEGE,
  migrateAs,
  QUOTED,
  readiness,
  setScene,
  startAs,
} from '../helpers/two_logins.ts';
import { until } from '../helpers/until.ts';

test('the owner migrates, and two instances that only work as its application’s role do all there is to do', async t => {
  const { name, admin, owner, member, connect } = await setScene(t);
  const supers = `SELECT count(*)::integer FROM pg_roles WHERE rolname ~ $1 AND (rolsuper OR rolcreaterole OR rolcreatedb)`;
  t.is(await readValue(admin, supers, [`^${name}`]), 0);
  t.is((await migrateAs(owner)).code, 0);

  const one = await startAs(t, member, { TASK_SOURCES: 'sample', EVENT_PARTITION: '100' });
  const two = await startAs(t, member, { TASK_SOURCES: 'sample' });
  for (const each of [one, two]) t.deepEqual((await readiness(each)).body, { status: 'ok' });
  const socket = openSocket(two.address, '/ws/events?after=0');
  t.is((await senderTo(one.address)('POST', '/tasks', { title: 'not as the owner' })).status, 201);
  const run = await read(await fetch(`${one.address}/task-generator/run?wait=30`, { method: 'POST' }));
  t.is(run.body.status, 'succeeded');
  t.is((await socket.event()).position, 1);
  const person = await connect(owner);
  t.deepEqual((await person.query(`SELECT * FROM ${name}_feed.verify()`)).rows, []);

  // Whichever leads is killed: the other one numbers what comes.
  const [leader, other] = await whoLeads(one, two);
  await leader.kill();
  t.is((await senderTo(other.address)('POST', '/tasks', { title: 'from the other one' })).status, 201);
  await until(async () => {
    const waiting = `SELECT count(*)::integer FROM ${name}_feed.events WHERE data->>'title' = 'from the other one'`;
    return (await readValue<number>(person, waiting)) === 1;
  });
  socket.drop();
});

async function whoLeads(one: Running, two: Running): Promise<[Running, Running]> {
  const metrics = await (await fetch(`${one.address}/metrics`)).text();
  return /^taskwire_sequencer_leader 1$/m.test(metrics) ? [one, two] : [two, one];
}

test('an instance whose login may not migrate says what is missing and who brings it, and changes nothing', async t => {
  const { name, owner, member, connect } = await setScene(t);
  const start = () => runToEnd({ ...member, PORT: '0', RATES_CRON: 'off' }, 'src/main.ts');
  await (await connect(owner)).query(`GRANT CONNECT ON DATABASE ${name} TO ${name}_app`);
  const before = await start();
  t.is(before.code, 1);
  t.regex(before.output, /there is no schema compose_\w+_feed.*let the owner run npm run migrate first/);

  await migrateAs(owner);
  const person = await connect(owner);
  await person.query(`DELETE FROM ${name}_feed.migrations WHERE name ~ '^0002'`);
  await person.query(`UPDATE ${name}_feed.log SET sql_version = sql_version - 1`);
  await person.query(
    `DELETE FROM ${name}_worker.migrations WHERE id = (SELECT max(id) FROM ${name}_worker.migrations)`,
  );
  const after = await start();
  t.is(after.code, 1);
  t.regex(after.output, new RegExp(`older than this program, and ${name} may not migrate it`));
  t.regex(
    after.output,
    /the migration 0002_tasks is not applied\n.*sql\/ in the database.*\n.*the job queue/,
  );
  t.regex(after.output, new RegExp(`Run npm run migrate with a DATABASE_URL that logs in as ${name}_owner`));
  t.regex((await migrateAs(member)).output, new RegExp(`belong to ${name}_owner: log in as ${name}_owner`));
});

test('a role that is not of the service does not get into its database', async t => {
  const { name, admin, owner, member, connect } = await setScene(t);
  await migrateAs(owner);
  await admin.query(`CREATE ROLE ${name}_stranger LOGIN PASSWORD ${QUOTED}`);
  const stranger = {
    ...member,
    DATABASE_URL: member.DATABASE_URL.replace(`//${name}@`, `//${name}_stranger@`),
  };
  t.is((await refusal(connect(stranger))).code, INSUFFICIENT_PRIVILEGE);
  await admin.query(`GRANT ${name}_reader TO ${name}_stranger`);
  const reader = await connect(stranger);
  t.is(await readValue(reader, `SELECT count(*)::integer FROM ${name}.tasks`), 0);
});

test('a session that takes the leader lock from outside is ended, for the owner may', async t => {
  const { name, admin, owner, member, connect } = await setScene(t);
  await migrateAs(owner);
  await admin.query(`CREATE ROLE ${name}_stranger LOGIN PASSWORD ${QUOTED}`);
  await admin.query(`GRANT CONNECT ON DATABASE ${name} TO ${name}_stranger`);
  const stranger = await connect({
    ...member,
    DATABASE_URL: member.DATABASE_URL.replace(`//${name}@`, `//${name}_stranger@`),
  });
  await stranger.query(`SELECT pg_advisory_lock(hashtextextended('${name}:leader', 0))`);
  const ended = new Promise(resolve => stranger.once('end', resolve));
  await startAs(t, member);
  await ended;
  t.pass();
});
