// docker-compose.yml: one login migrates and another works, neither is a superuser, and a password may hold what no address
// can. What the working one may not do is what least privilege is for.
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import pg from 'pg';
import { openSession } from '../../src/postgres/session.ts';
import { databaseUrl, SERVICE } from '../helpers/database.ts';
import { read, senderTo } from '../helpers/http.ts';
import { type Running, runToEnd, startService } from '../helpers/process.ts';
import { openSocket } from '../helpers/socket.ts';
import { readValue, refusal } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const FILE = new URL('../../docker-compose.yml', import.meta.url);
const DOCS = new URL('../../docs/logins_and_rights.md', import.meta.url);
const SERVER = process.env.TEST_SERVER_URL ?? '';
const PASSWORD = `p@ss/w:rd#?%20'"`;
const INSUFFICIENT_PRIVILEGE = '42501';

interface Site {
  name: string;
  /** A superuser's session in the server's own database. */
  admin: pg.Client;
  /** What the processes are given. */
  owner: Record<string, string>;
  member: Record<string, string> & { DATABASE_URL: string };
  /** The same for any role, and a service of that name. */
  loginAs(role: string, service?: string): Site['member'];
  /** A session with one of the two logins. */
  connect(as: Record<string, string>): Promise<pg.Client>;
}

/** The statements of the file that make roles and database, for a service of this name. */
async function statementsFor(name: string): Promise<string[]> {
  const [, script = ''] = /content: \|\n((?: {6}.*\n)+)/.exec(await readFile(FILE, 'utf8')) ?? [];
  return bind(script, { taskwire: name });
}

/** The statements of docs/ that begin and go on like this, with these names in the place of those. */
async function statementsOfDocs(wanted: RegExp, names: Record<string, string>): Promise<string[]> {
  const text = await readFile(DOCS, 'utf8');
  const blocks = [...text.matchAll(/^```psql\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
  const block = blocks.find(each => wanted.test(each));
  if (block === undefined) throw new Error(`${wanted} is not in the docs`);
  return bind(block, names);
}

function bind(script: string, names: Record<string, string>): string[] {
  const password = `'${PASSWORD.replaceAll("'", "''")}'`;
  const known = new RegExp(`\\b(${Object.keys(names).join('|')})(?=[ ,;_])`, 'g');
  return script
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('\\'))
    .map(line =>
      line
        .replace(/:'(?:owner|password)'|'…'/, password)
        .replaceAll(known, (_, word: string) => names[word] ?? word),
    );
}

/** The roles and the database as the file makes them, under names of their own. */
async function setScene(t: ExecutionContext): Promise<Site> {
  const name = `compose_${randomBytes(6).toString('hex')}`;
  const admin = await openSession({ service: SERVICE, url: databaseUrl(SERVER, 'postgres'), name: 'tests' });
  const sessions: pg.Client[] = [admin];
  t.teardown(async () => {
    await Promise.all(sessions.slice(1).map(session => session.end().catch(() => {})));
    await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    const made = await admin.query<{ role: string }>(
      `SELECT rolname AS role FROM pg_roles WHERE starts_with(rolname, $1)`,
      [name],
    );
    for (const { role } of made.rows) await admin.query(`DROP ROLE ${role}`);
    await admin.end();
  });
  for (const statement of await statementsFor(name)) await admin.query(statement);
  const loginAs = (role: string, service = name) => {
    const url = new URL(databaseUrl(SERVER, name));
    [url.username, url.password] = [role, ''];
    return { DATABASE_URL: url.href, PGPASSWORD: PASSWORD, SERVICE_NAME: service };
  };
  return {
    name,
    admin,
    loginAs,
    owner: loginAs(`${name}_owner`),
    member: loginAs(name),
    connect: async ({ DATABASE_URL: url = '' }) => {
      const address = Object.assign(new URL(url), { password: encodeURIComponent(PASSWORD) });
      const session = new pg.Client({ connectionString: address.href });
      session.on('error', () => {});
      sessions.push(session);
      await session.connect();
      return session;
    },
  };
}

const migrateAs = (login: Record<string, string>) => runToEnd(login, 'src/commands/migrate.ts');

async function startAs(
  t: ExecutionContext,
  login: Site['member'],
  more: Record<string, string> = {},
): Promise<Running> {
  const service = await startService(login.DATABASE_URL, { ...login, ...more });
  t.teardown(() => service.stop());
  return service;
}

const readiness = async ({ address }: Running) => read(await fetch(`${address}/health/ready`));

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
  await admin.query(`CREATE ROLE ${name} LOGIN CREATEROLE PASSWORD '${PASSWORD.replaceAll("'", "''")}'`);
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

test('nobody numbers beside the leader, nor with a snapshot that was taken before', async t => {
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
});

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
  await admin.query(`CREATE ROLE ${name}_stranger LOGIN PASSWORD '${PASSWORD.replaceAll("'", "''")}'`);
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
  await admin.query(`CREATE ROLE ${name}_stranger LOGIN PASSWORD '${PASSWORD.replaceAll("'", "''")}'`);
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
