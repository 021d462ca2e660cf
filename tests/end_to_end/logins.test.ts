// What an instance's login may not do, which is what least privilege is for; and what the docs say of logins and teams.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type pg from 'pg';
import { openSession } from '../../src/postgres/session.ts';
import { databaseUrl, SERVICE } from '../helpers/database.ts';
import { read, senderTo } from '../helpers/http.ts';
import { runToEnd } from '../helpers/process.ts';
import { readValue, refusal } from '../helpers/sql.ts';
import {
  INSUFFICIENT_PRIVILEGE,
  migrateAs,
  QUOTED,
  readiness,
  setScene,
  startAs,
  statementsOfDocs,
} from '../helpers/two_logins.ts';
import { until } from '../helpers/until.ts';

const SERVER = process.env.TEST_SERVER_URL ?? '';

test('who has stolen an instance’s login can neither alter the log, nor hide a change from it, nor let any of it go', async t => {
  const { name, owner, member, connect } = await setScene(t);
  await migrateAs(owner);
  const thief = await connect(member);
  await thief.query(`INSERT INTO ${name}.tasks (title) VALUES ('seen')`);
  const feed = `${name}_feed`;
  for (const statement of [
    `UPDATE ${feed}.events SET origin = 'rest'`,
    `DELETE FROM ${feed}.staged`,
    `INSERT INTO ${feed}.event_batches DEFAULT VALUES`,
    `UPDATE ${feed}.log SET floor = 1`,
    `DROP TABLE ${feed}.events`,
    `ALTER TABLE ${feed}.events DISABLE TRIGGER ALL`,
    `ALTER TABLE ${name}.tasks DISABLE TRIGGER ALL`,
    `SET session_replication_role = 'replica'`,
    `CREATE OR REPLACE FUNCTION ${feed}.capture() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'`,
    `CREATE TABLE ${name}.mine ()`,
    `SELECT ${feed}.raise_floor('0', false)`,
    `SELECT ${feed}.new_log()`,
    `SELECT ${feed}.add_partitions(1000000000)`,
    `SELECT ${feed}.stage('tasks', 'task_created', 'x', '{}', NULL)`,
    `SET ROLE ${name}_owner`,
  ]) {
    t.is((await refusal(thief.query(statement))).code, INSUFFICIENT_PRIVILEGE, statement);
  }
});

test('instances of such a login leave retention to the owner, who lets go by a command, also into the archive', async t => {
  const { name, owner, member, connect } = await setScene(t);
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-retention-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const kept = { EVENT_RETENTION: '1s', EVENT_PARTITION: '100', EVENT_ARCHIVE: folder };
  t.is((await runToEnd({ ...owner, ...kept }, 'src/commands/migrate.ts')).code, 0);
  const service = await startAs(t, member, kept);
  const person = await connect(owner);
  await person.query(
    `INSERT INTO ${name}.tasks (title) SELECT 'task ' || n FROM generate_series(1, 250) AS n`,
  );
  const letGo = (login: Record<string, string>) =>
    runToEnd({ ...login, ...kept }, 'src/commands/retention.ts');
  await until(async () => {
    const { output } = await letGo(owner);
    return output.startsWith('positions up to 200 are let go');
  });
  t.is(await readValue(person, `SELECT min("position")::integer FROM ${name}_feed.events`), 201);
  const page = await read(await fetch(`${service.address}/events?after=0&limit=1`));
  t.is(page.body.data[0].position, 1, 'served from the archive');
  const refused = await letGo(member);
  t.is(refused.code, 1);
  t.regex(refused.output, /permission denied/);
});

test('a service that ran with one login gets its second one by the statements of the docs', async t => {
  const { name, admin, member, owner, loginAs, connect } = await setScene(t);
  // As an earlier file made it: one login that owns the database and has made its roles.
  await admin.query(`DROP DATABASE ${name}`);
  for (const role of ['_owner', '_app', '_reader', '']) await admin.query(`DROP ROLE ${name}${role}`);
  await admin.query(`CREATE ROLE ${name} LOGIN CREATEROLE PASSWORD ${QUOTED}`);
  await admin.query(`CREATE DATABASE ${name} OWNER ${name}`);
  const before = await startAs(t, member);
  t.is((await senderTo(before.address)('POST', '/tasks', { title: 'before' })).status, 201);
  await before.stop();

  const dba = await openSession({ service: SERVICE, url: databaseUrl(SERVER, name), name: 'tests' });
  for (const statement of await statementsOfDocs(/REASSIGN/, { taskwire: name })) await dba.query(statement);
  await dba.end();
  t.is((await migrateAs(owner)).code, 0);
  const after = await startAs(t, loginAs(name));
  t.deepEqual((await readiness(after)).body, { status: 'ok' });
  t.is((await senderTo(after.address)('POST', '/tasks', { title: 'after' })).status, 201);
  const thief = await connect(member);
  const { code } = await refusal(thief.query(`ALTER TABLE ${name}.tasks DISABLE TRIGGER ALL`));
  t.is(code, INSUFFICIENT_PRIVILEGE);
});

test('a team with a service of its own sees no row of another’s in the same database, and does not hold it up', async t => {
  const { name, admin, owner, member, loginAs, connect } = await setScene(t);
  const shop = `${name}_shop`;
  for (const statement of await statementsOfDocs(/shop_owner/, { taskwire: name, shop }))
    await admin.query(statement);
  t.is((await migrateAs(owner)).code, 0);
  t.is((await migrateAs(loginAs(`${shop}_owner`, shop))).code, 0);
  const [ours, theirs] = [await startAs(t, member), await startAs(t, loginAs(shop, shop))];
  for (const each of [ours, theirs]) t.deepEqual((await readiness(each)).body, { status: 'ok' });
  t.is((await senderTo(ours.address)('POST', '/tasks', { title: 'secret' })).status, 201);
  t.deepEqual((await read(await fetch(`${theirs.address}/tasks`))).body.data, []);

  for (const login of [shop, `${shop}_owner`]) {
    const session = await connect(loginAs(login));
    for (const statement of [
      `SELECT FROM ${name}.tasks`,
      `SELECT FROM ${name}_feed.events`,
      `SELECT FROM ${name}_worker.jobs`,
      `SELECT ${name}_feed.verify()`,
      `SELECT ${name}.queue_run('task_generator')`,
    ])
      t.is((await refusal(session.query(statement))).code, INSUFFICIENT_PRIVILEGE, statement);
  }
  const stranger = await connect(loginAs(shop));
  await ours.stop();
  await stranger.query(`SELECT pg_advisory_lock(hashtextextended('${name}:leader', 0))`);
  const ended = new Promise(resolve => stranger.once('end', resolve));
  await startAs(t, member);
  await ended;
});

test('nobody numbers beside the leader, nor with a snapshot that was taken before, nor what is written in the same transaction', async t => {
  const { name, owner, member, connect } = await setScene(t);
  await migrateAs(owner);
  const [leader, other] = [await connect(member), await connect(member)];
  const number = async (session: pg.Client) =>
    (await session.query(`SELECT "position" FROM ${name}_feed.sequence_staged(10)`)).rowCount;
  await leader.query(`SELECT pg_advisory_lock(${name}_feed.lock_key('leader'))`);
  await leader.query(`INSERT INTO ${name}.tasks (title) VALUES ('one')`);
  t.is(await number(other), 0);
  await leader.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  t.is(await number(leader), 0);
  await leader.query('COMMIT');
  t.is(await number(leader), 1);

  // The snapshot that is stored leaves out its own transaction, whose rows would be passed over, or numbered twice.
  await leader.query('BEGIN');
  await leader.query(`INSERT INTO ${name}.tasks (title) VALUES ('seen')`);
  await other.query(`INSERT INTO ${name}.tasks (title) VALUES ('of another one')`);
  t.is(await number(leader), 0);
  await leader.query(`INSERT INTO ${name}.tasks (title) VALUES ('hidden')`);
  await leader.query('COMMIT');
  t.is(await number(leader), 3);
  t.is(await number(leader), 0);
  t.deepEqual((await leader.query(`SELECT * FROM ${name}_feed.verify()`)).rows, []);
});
