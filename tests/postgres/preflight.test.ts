// What a login role, a database or a server lacks is said at start, with what to do, before anything is changed.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type pg from 'pg';
import { pino } from 'pino';
import { parse } from '../../src/config.ts';
import { ServiceError } from '../../src/errors.ts';
import { createInstance } from '../../src/instance/instance.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { warnOfServer } from '../../src/postgres/preflight.ts';
import { openSession } from '../../src/postgres/session.ts';
import { databaseUrl, SERVICE } from '../helpers/database.ts';
import { startInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';
import { readValue } from '../helpers/sql.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SERVER = process.env.TEST_SERVER_URL ?? '';
const logger = pino({ level: 'silent' });

interface Guest {
  /** The role, which may connect and nothing more, and the database's address for it. */
  role: string;
  url: string;
  database: string;
  /** The database as its owner has it. */
  owner: pg.Client;
}

/** Lends an empty database, and a role that owns nothing in it. */
async function withGuest(use: (guest: Guest) => Promise<void>): Promise<void> {
  const role = `guest_${randomBytes(6).toString('hex')}`;
  const server = await openSession({ service: SERVICE, url: SERVER, name: 'test' });
  await server.query(`CREATE ROLE ${role} LOGIN PASSWORD 'guest'`);
  await server.query(`CREATE DATABASE ${role} ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0`);
  const owner = await openSession({ service: SERVICE, url: databaseUrl(SERVER, role), name: 'test' });
  const url = new URL(databaseUrl(SERVER, role));
  [url.username, url.password] = [role, 'guest'];
  try {
    await use({ role, url: url.href, database: role, owner });
  } finally {
    await owner.end();
    await server.query(`DROP DATABASE ${role} WITH (FORCE)`);
    await server.query(`DROP ROLE ${role}`);
    await server.end();
  }
}

/** The faults of which a start is refused; none if it was not. */
async function faults(url: string, service = SERVICE): Promise<string[]> {
  try {
    await migrate({ url, service, logger });
    return [];
  } catch (error) {
    if (!(error instanceof ServiceError) || error.code !== 'unfit_database') throw error;
    return error.message.split('\n').slice(1);
  }
}

test('a role without rights is told each one it needs, and with them it can do everything', async t => {
  await withGuest(async ({ role, url, database, owner }) => {
    const needed = (schema: string) =>
      `  - there is no schema ${schema}, and ${role} may not create it: GRANT CREATE ON DATABASE ${database} TO ${role}`;
    t.deepEqual(await faults(url), [
      `  - ${role} may not create anything in the schema public: GRANT USAGE, CREATE ON SCHEMA public TO ${role}`,
      needed('feed'),
      needed('graphile_worker'),
    ]);
    t.deepEqual(await faults(url, 'shop'), ['shop', 'shop_feed', 'shop_worker'].map(needed));
    t.is(await readValue(owner, `SELECT to_regnamespace('feed')`), null);

    await owner.query(`GRANT USAGE, CREATE ON SCHEMA public TO ${role}`);
    await owner.query(`GRANT CREATE ON DATABASE ${database} TO ${role}`);
    t.deepEqual(await faults(url), []);
    await owner.query(`REVOKE CREATE ON DATABASE ${database} FROM ${role}`);
    t.deepEqual(await faults(url), [], 'what is there need not be made again');
  });
});

test('who is not the owner of what is there is told whose it is', async t => {
  await withGuest(async ({ role, url, owner }) => {
    await migrate({ service: SERVICE, url: databaseUrl(SERVER, role), logger });
    await owner.query(`GRANT USAGE, CREATE ON SCHEMA public TO ${role}`);
    const name = await readValue<string>(owner, 'SELECT current_user::text');
    t.deepEqual(
      await faults(url),
      ['feed', 'graphile_worker'].map(
        schema =>
          `  - the tables in the schema ${schema} belong to ${name}: log in as ${name}, or GRANT ${name} TO ${role}`,
      ),
    );
  });
});

test('a schema feed, or a table tasks, of somebody else’s is left alone, and SERVICE_NAME named as the way out', async t => {
  await withGuest(async ({ role, owner }) => {
    const url = databaseUrl(SERVER, role);
    await owner.query('CREATE SCHEMA feed; CREATE TABLE feed.articles (id integer)');
    t.regex((await faults(url)).join(), /schema feed is in use by something else.*SERVICE_NAME/);
    await owner.query('DROP SCHEMA feed CASCADE; CREATE TABLE public.tasks (what text)');
    const error = await t.throwsAsync(migrate({ service: SERVICE, url, logger }), {
      instanceOf: ServiceError,
    });
    t.regex(error?.message ?? '', /"tasks" already exists.*SERVICE_NAME/);
    t.deepEqual(await faults(url, 'shop'), []);
    t.is(await readValue(owner, 'SELECT count(*) FROM public.tasks'), '0');
  });
});

test('a name that is a word of SQL is refused', async t => {
  await withGuest(async ({ role }) => {
    const options = { url: databaseUrl(SERVER, role), service: 'user', logger };
    const error = await t.throwsAsync(migrate(options), { instanceOf: ServiceError });
    t.is(error?.code, 'unfit_settings');
    t.regex(error?.message ?? '', /SERVICE_NAME user is a word of SQL/);
  });
});

test('behind a pooler, a role that is no member of the service’s is told to become one', async t => {
  await withGuest(async ({ role, url }) => {
    const owner = databaseUrl(SERVER, role);
    const settings = {
      DATABASE_URL: url,
      DATABASE_DIRECT_URL: owner,
      PORT: '0',
      GENERATOR_CRON: 'off',
      RATES_CRON: 'off',
    };
    const build = () =>
      createInstance({ config: parse(settings, []), databaseUrl: url, directUrl: owner, logger });
    const refused = build();
    const error = await t.throwsAsync(refused.start(), { instanceOf: ServiceError });
    t.is(error?.code, 'unfit_database');
    t.regex(error?.message ?? '', /permission denied .*GRANT taskwire_app TO/);
    await refused.stop();

    const server = await openSession({ service: SERVICE, url: SERVER, name: 'test' });
    await server.query(`GRANT taskwire_app TO ${role}`);
    await server.end();
    const granted = build();
    await t.notThrowsAsync(granted.start());
    await granted.stop();
  });
});

test('npm start ends with 1 and the words alone, no stack', async t => {
  await withGuest(async ({ role, url }) => {
    const env = { PATH: process.env.PATH, DATABASE_URL: url, PORT: '0', RATES_CRON: 'off' };
    const child = spawn(process.execPath, ['src/main.ts'], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let output = '';
    child.stderr.on('data', data => (output += data));
    const [code] = await once(child, 'close');
    t.is(code, 1);
    t.true(output.includes(`GRANT CREATE ON DATABASE ${role} TO ${role}`), output);
    t.notRegex(output, /^\s+at /m);
  });
});

test('an owner who is no superuser runs all of it', async t => {
  await withGuest(async ({ role, url, owner }) => {
    await owner.query(`ALTER DATABASE ${role} OWNER TO ${role}`);
    const instance = await startInstance(url, { TASK_SOURCES: 'sample' });
    const socket = openSocket(instance.address, '/ws/tasks?after=0');
    const run = await fetch(`${instance.address}/task-generator/run?wait=30`, { method: 'POST' });
    t.like(await run.json(), { status: 'succeeded' });
    t.is((await socket.event()).origin, 'generator');
    t.is((await fetch(`${instance.address}/health/ready`)).status, 200);
    t.is(await readValue(owner, 'SELECT count(*) FROM feed.verify()'), '0');
    t.truthy(await readValue(owner, 'SELECT feed.new_log()'));
    await instance.stop();
  });
});

test('a server that can lose LISTEN is named with the release that does not', t => {
  const warning = (version: number, shown: string) => warnOfServer({ version, shown });
  t.regex(warning(180001, '18.1 (Debian)') ?? '', /^PostgreSQL 18\.1 \(Debian\) .*18\.2 or later/);
  t.regex(warning(170007, '17.7') ?? '', /17\.8 or later/);
  t.regex(warning(160011, '16.11') ?? '', /16\.12 or later/);
  for (const version of [160012, 170008, 180002, 180010, 190000]) t.is(warning(version, 'x'), undefined);
});
