// What a restored dump, a role made later and a DBA's ALTER TABLE do to rights and triggers: it is named, and the next
// start mends it.
import { randomBytes } from 'node:crypto';
import test from 'ava';
import type pg from 'pg';
import { pino } from 'pino';
import { sql } from 'slonik';
import { z } from 'zod';
import { bindScript, rewriteQueries } from '../../src/postgres/bind_names.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { openPool } from '../../src/postgres/pool.ts';
import { openSession } from '../../src/postgres/session.ts';
import { createTestDatabase, databaseUrl, SERVICE } from '../helpers/database.ts';
import { startInstance } from '../helpers/instance.ts';
import { readValue, refusal, withDatabase } from '../helpers/sql.ts';

const SERVER = process.env.TEST_SERVER_URL ?? '';
const INSUFFICIENT_PRIVILEGE = '42501';
const logger = pino({ level: 'silent' });

interface Site {
  /** The service's name, which no other has, so that its roles are this test's alone. */
  service: string;
  database: string;
  /** The database as its owner's own login has it, who may not make roles. */
  url: string;
  /** A superuser's session in it, which speaks of the service by the default names. */
  dba: pg.Client;
}

/** Lends a database with an owner who is no superuser, for a service whose roles nobody has made yet. */
async function withSite(use: (site: Site) => Promise<void>): Promise<void> {
  const name = `s${randomBytes(6).toString('hex')}`;
  const server = await openSession({ service: SERVICE, url: SERVER, name: 'test' });
  await server.query(`CREATE ROLE ${name}_owner LOGIN PASSWORD 'owner'`);
  await server.query(`CREATE DATABASE ${name} OWNER ${name}_owner ENCODING 'UTF8' TEMPLATE template0`);
  const session = await openSession({ url: databaseUrl(SERVER, name), service: name, name: 'test' });
  const dba = rewriteQueries(session, text => bindScript(name, text));
  const url = new URL(databaseUrl(SERVER, name));
  [url.username, url.password] = [`${name}_owner`, 'owner'];
  try {
    await use({ service: name, database: name, url: url.href, dba });
  } finally {
    await dba.end();
    await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
    for (const role of ['app', 'reader', 'owner', 'stranger'])
      await server.query(`DROP ROLE IF EXISTS ${name}_${role}`);
    await server.end();
  }
}

const drift = async (session: pg.Client): Promise<string[]> =>
  (await session.query<{ fault: string }>('SELECT fault FROM feed.drift() ORDER BY fault')).rows.map(
    ({ fault }) => fault,
  );

const verify = async (session: pg.Client): Promise<string[]> =>
  (await session.query<{ fault: string }>('SELECT fault FROM feed.verify()')).rows.map(({ fault }) => fault);

async function readiness(address: string): Promise<{ status: number; warnings: string[] }> {
  const answer = await fetch(`${address}/health/ready`);
  const { warnings = [] } = z.object({ warnings: z.array(z.string()).optional() }).parse(await answer.json());
  return { status: answer.status, warnings };
}

/** What pg_restore does about a function's rights: the dump's two statements are one command. */
async function restoreRights(dba: pg.Client, call: string): Promise<void> {
  await dba.query(`GRANT EXECUTE ON FUNCTION ${call} TO PUBLIC`); // as CREATE FUNCTION does
  const { code } = await refusal(
    dba.query(`REVOKE ALL ON FUNCTION ${call} FROM PUBLIC; GRANT ALL ON FUNCTION ${call} TO taskwire_app`),
  );
  if (code !== '42704') throw new Error(`not the missing role, but ${code}`);
}

test('a dump restored where the roles are missing opens functions to everybody, and a start closes them', async t => {
  await withSite(async ({ service, database, dba }) => {
    const superuser = databaseUrl(SERVER, database);
    await migrate({ url: superuser, service, logger });
    await dba.query('DROP OWNED BY taskwire_app, taskwire_reader; DROP ROLE taskwire_app, taskwire_reader');
    const { rows } = await dba.query<{ call: string }>(
      'SELECT f::text AS call FROM feed.closed_functions() AS f',
    );
    for (const { call } of rows) await restoreRights(dba, call);
    await dba.query(`CREATE ROLE ${service}_stranger; GRANT USAGE ON SCHEMA public TO ${service}_stranger`);
    const asStranger = (statement: string) =>
      dba.query(`SET ROLE ${service}_stranger; ${statement}`).finally(() => dba.query('RESET ROLE'));
    await t.notThrowsAsync(
      asStranger(`SELECT public.queue_run('generator')`),
      'this is what a restore opens',
    );

    const faults = await drift(dba);
    t.is(faults.length, rows.length);
    t.true(faults.includes(bindScript(service, 'PUBLIC may execute public.queue_run(text)')));
    for (const fault of faults) t.true((await verify(dba)).includes(fault));
    const { sql: applied, warnings } = await migrate({ url: superuser, service, logger });
    t.regex(applied?.reason ?? '', /PUBLIC may execute/);
    t.deepEqual(warnings, []);
    t.deepEqual(await drift(dba), []);
    const { code } = await refusal(asStranger(`SELECT public.queue_run('generator')`));
    t.is(code, INSUFFICIENT_PRIVILEGE);
    t.is((await migrate({ url: superuser, service, logger })).sql, undefined, 'the next start finds nothing');
  });
});

const insertTask = sql.type(z.strictObject({ role: z.string() }))`
  INSERT INTO public.tasks (title) VALUES ('x') RETURNING current_user::text AS role`;

/** The role under which a new connection of the service writes. */
async function roleOfService(url: string, service: string): Promise<string> {
  const pool = await openPool({ url, service, size: 1, role: true });
  try {
    return (await pool.one(insertTask)).role;
  } finally {
    await pool.end();
  }
}

test('a role that a DBA makes while the service runs breaks nothing, is warned of, and is used from the next start on', async t => {
  await withSite(async ({ service, url, dba }) => {
    const settings = { SERVICE_NAME: service };
    const running = await startInstance(url, settings);
    t.deepEqual(await readiness(running.address), { status: 200, warnings: [] });
    t.is(await roleOfService(url, service), `${service}_owner`);

    await dba.query(`CREATE ROLE taskwire_app; GRANT taskwire_app TO ${service}_owner`);
    t.is(await roleOfService(url, service), `${service}_owner`, 'it has no rights yet');
    const { status, warnings } = await readiness(running.address);
    t.is(status, 200);
    t.true(
      warnings.includes(`the role ${service}_app lacks EXECUTE on the function ${service}_feed.verify()`),
    );
    await running.stop();

    const again = await startInstance(url, settings);
    t.deepEqual(await readiness(again.address), { status: 200, warnings: [] });
    t.is(await roleOfService(url, service), `${service}_app`);
    await again.stop();
  });
});

test('a right that was taken away is named, and given again by the next start', async t => {
  await withSite(async ({ service, database, dba }) => {
    const url = databaseUrl(SERVER, database);
    await migrate({ url, service, logger });
    await dba.query(
      `REVOKE DELETE ON public.tasks FROM taskwire_app; REVOKE USAGE ON SCHEMA feed FROM taskwire_reader`,
    );
    t.deepEqual(await drift(dba), [
      `the role ${service}_app lacks DELETE on the table ${service}.tasks`,
      `the role ${service}_reader lacks USAGE on the schema ${service}_feed`,
    ]);
    await migrate({ url, service, logger });
    t.deepEqual(await drift(dba), []);
  });
});

test('what the starting role may not mend keeps nothing from starting, and is named until it is mended', async t => {
  await withSite(async ({ service, url, dba }) => {
    const running = await startInstance(url, { SERVICE_NAME: service });
    await running.stop();
    await dba.query('ALTER FUNCTION public.queue_run(text) OWNER TO CURRENT_USER');
    await dba.query('GRANT EXECUTE ON FUNCTION public.queue_run(text) TO PUBLIC');
    const fault = `PUBLIC may execute ${service}.queue_run(text)`;
    const again = await startInstance(url, { SERVICE_NAME: service });
    t.deepEqual(await readiness(again.address), { status: 200, warnings: [fault] });
    t.deepEqual(await verify(dba), [fault]);
    await dba.query('REVOKE EXECUTE ON FUNCTION public.queue_run(text) FROM PUBLIC');
    t.deepEqual(await readiness(again.address), { status: 200, warnings: [] });
    await again.stop();
  });
});

const TRIGGERS = `
  SELECT format('%s.%s', c.relnamespace::regnamespace, c.relname) AS relation, quote_ident(tgname) AS name
  FROM pg_trigger
  JOIN pg_class AS c ON c.oid = tgrelid
  WHERE NOT tgisinternal AND tgparentid = 0 AND c.relnamespace IN ('public'::regnamespace, 'feed'::regnamespace)
  ORDER BY 1, 2`;

test(
  'every trigger of the service that is missing, switched off or fires for ordinary sessions alone is named, and comes back',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    const { rows } = await session.query<{ relation: string; name: string }>(TRIGGERS);
    t.true(rows.length >= 16);
    for (const { relation, name } of rows) {
      for (const change of [
        `DROP TRIGGER ${name} ON ${relation}`,
        `ALTER TABLE ${relation} DISABLE TRIGGER ${name}`,
        `ALTER TABLE ${relation} ENABLE TRIGGER ${name}`,
      ]) {
        await session.query(`BEGIN; ${change}`);
        t.deepEqual(
          await drift(session),
          [`the trigger ${name} of ${relation} does not fire always`],
          change,
        );
        await session.query('ROLLBACK');
      }
    }
    for (const { relation } of rows) await session.query(`ALTER TABLE ${relation} ENABLE TRIGGER ALL`);
    t.is((await drift(session)).length, rows.length);
    await session.query(
      'ALTER TABLE feed.events ENABLE ALWAYS TRIGGER events_append_only; ALTER TABLE feed.events_1 ENABLE TRIGGER ALL',
    );
    t.true(
      (await drift(session)).includes('the trigger events_append_only of feed.events_1 does not fire always'),
    );
    await migrate({ service: SERVICE, url: database.url, logger });
    t.deepEqual(await drift(session), []);
  }),
);

test(
  'the triggers of an operator’s table come back as well, but for one that he switched off',
  withDatabase(async (t, database) => {
    const session = await database.psql();
    await session.query(`
      CREATE TABLE things (id integer PRIMARY KEY);
      CREATE TABLE quiet (id integer PRIMARY KEY);
      SELECT feed.watch('things', 'things', 'thing'), feed.watch('quiet', 'quiet', 'silence');
      ALTER TABLE things DISABLE TRIGGER ALL; ALTER TABLE things ENABLE TRIGGER ALL;
      ALTER TABLE quiet DISABLE TRIGGER "00_feed_capture"`);
    const { sql: applied, warnings } = await migrate({ service: SERVICE, url: database.url, logger });
    t.regex(applied?.reason ?? '', /00_feed_capture.* of public.things/);
    const left = [
      'the trigger "00_feed_capture" of public.quiet does not fire always: watch the table again',
    ];
    t.deepEqual(warnings, left);
    t.deepEqual(await verify(session), left);
    t.is(
      (await migrate({ service: SERVICE, url: database.url, logger })).sql,
      undefined,
      'what stays is no reason to apply sql/',
    );
  }),
);

const RESOURCES = [
  'currency_rates',
  'currencies',
  'idempotency_keys',
  'imports',
  'rejected_messages',
  'runs',
  'tasks',
];

/** A database with something in each table that holds data of its own. */
async function fill(session: pg.Client): Promise<void> {
  await session.query(`
    INSERT INTO currencies (currency, name, rate, rate_date) VALUES ('USD', 'Dollar', 90, '2026-01-01'), ('EUR', 'Euro', 100, '2026-01-02');
    UPDATE currencies SET rate = 91, rate_date = '2026-01-03' WHERE currency = 'USD';
    UPDATE currency_rates SET quoted_rate = rate, quoted_nominal = nominal;
    INSERT INTO tasks (title, status) SELECT 'task ' || n, 'done' FROM generate_series(1, 5) AS n;
    INSERT INTO imports VALUES ('sample', '1', '{}');
    INSERT INTO runs (kind, status, finished_at) VALUES ('generator', 'succeeded', now());
    INSERT INTO idempotency_keys (key, request, status, headers, body) VALUES ('k', sha256('x'), 200, '{}', '')`);
}

const readRows = (session: pg.Client, table: string) =>
  readValue<string>(session, `SELECT coalesce(json_agg(r)::text, '[]') FROM public.${table} AS r`);

async function copyTable(from: pg.Client, to: pg.Client, table: string): Promise<void> {
  const rows = await readRows(from, table);
  await to.query(
    `INSERT INTO public.${table} SELECT * FROM json_populate_recordset(NULL::public.${table}, $1)`,
    [rows],
  );
}

async function inTwoDatabases(use: (from: pg.Client, to: pg.Client, url: string) => Promise<void>) {
  const [source, target] = [await createTestDatabase(), await createTestDatabase()];
  try {
    await use(await source.psql(), await target.psql(), target.url);
  } finally {
    await source.drop();
    await target.drop();
  }
}

test('the data of the resources alone can be restored into a new database, in the order in which a dump has it', async t => {
  await inTwoDatabases(async (from, to) => {
    await fill(from);
    // pg_dump writes the tables by name, but what a foreign key refers to before what refers to it.
    const first = `SELECT count(*)::integer FROM pg_constraint WHERE contype = 'f'
      AND conrelid = 'public.currencies'::regclass AND confrelid = 'public.currency_rates'::regclass`;
    t.is(await readValue(from, first), 1);
    for (const table of RESOURCES) await copyTable(from, to, table);
    for (const table of RESOURCES.filter(name => name !== 'tasks' && name !== 'currencies'))
      t.is(await readRows(to, table), await readRows(from, table), table);
    t.deepEqual(await verify(to), []);
    t.is(await readValue(to, `SELECT count(*)::integer FROM feed.staged WHERE topic = 'tasks'`), 5);
  });
});

test('a restore with --disable-triggers is found out, and the triggers fire always after the next start', async t => {
  await inTwoDatabases(async (from, to, url) => {
    await fill(from);
    await to.query('ALTER TABLE public.tasks DISABLE TRIGGER ALL');
    await copyTable(from, to, 'tasks');
    await to.query('ALTER TABLE public.tasks ENABLE TRIGGER ALL');
    const faults = await verify(to);
    t.is(faults.filter(fault => fault === 'in the table, but not in the log').length, 5);
    t.is(faults.filter(fault => fault.endsWith('of public.tasks does not fire always')).length, 3);
    await migrate({ service: SERVICE, url, logger });
    t.deepEqual(await drift(to), []);
  });
});
