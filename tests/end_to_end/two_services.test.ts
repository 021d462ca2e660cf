// Two services with different names on one database: each has its tasks, its log, its jobs, and hears nothing else.
import { randomBytes } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import type pg from 'pg';
import { z } from 'zod';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { startInstance } from '../helpers/instance.ts';
import { runToEnd } from '../helpers/process.ts';
import { describeSchema } from '../helpers/schema.ts';
import { openSocket } from '../helpers/socket.ts';
import { readValue } from '../helpers/sql.ts';

const Answer = z.record(z.string(), z.unknown());
const SHOP = { SERVICE_NAME: 'shop', TASK_SOURCES: 'sample' };
const HERE = { TASK_SOURCES: 'sample' };
const OBJECTS = `
  SELECT md5(string_agg(oid || xmin::text, ' ' ORDER BY oid)) FROM (
    SELECT p.oid, p.xmin FROM pg_proc AS p WHERE p.pronamespace IN ('public'::regnamespace, 'feed'::regnamespace)
    UNION ALL SELECT c.oid, 0::text::xid FROM pg_class AS c WHERE c.relnamespace IN ('public'::regnamespace, 'feed'::regnamespace)
    UNION ALL SELECT n.oid, n.xmin FROM pg_namespace AS n WHERE n.nspname IN ('public', 'feed', 'graphile_worker')
  ) AS objects`;

const LOCKS_AND_CHANNELS = `
  SELECT (SELECT count(DISTINCT key)::integer FROM (VALUES (feed.lock_key('leader')), (shop_feed.lock_key('leader'))) AS k (key)) AS locks,
    ARRAY[feed.channel('events'), shop_feed.channel('events')] AS channels`;

/** What of the first service must not change when a second comes. */
async function fingerprint(psql: pg.Client) {
  return {
    schema: await describeSchema(psql),
    objects: await readValue<string>(psql, OBJECTS),
    log: await readValue<string>(psql, 'SELECT id FROM feed.log'),
    hash: await readValue<string>(psql, 'SELECT sql_hash FROM feed.log'),
    head: await readValue<string>(psql, 'SELECT max(last_position) FROM feed.event_batches'),
  };
}

async function post(address: string, path: string, body?: object) {
  const init = body ? { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } } : {};
  return Answer.parse(await (await fetch(`${address}${path}`, { method: 'POST', ...init })).json());
}

async function writeTasks(address: string, titles: readonly string[]): Promise<void> {
  await Promise.all(titles.map(title => post(address, '/tasks', { title })));
}

const titlesOf = (name: string) => Array.from({ length: 20 }, (_, index) => `${name} ${index}`);

/** Whether a service's log is dense and agrees with its tables. */
async function checkLog(t: ExecutionContext, psql: pg.Client, schema: string): Promise<void> {
  const { rows } = await psql.query(
    `SELECT count(*) AS count, min(position) AS first, max(position) AS last FROM ${schema}.events`,
  );
  t.is(rows[0].first, '1');
  t.is(rows[0].last, rows[0].count);
  t.deepEqual((await psql.query(`SELECT * FROM ${schema}.verify()`)).rows, []);
}

const runCommand = (name: string, url: string, ...args: string[]) =>
  runToEnd({ DATABASE_URL: url, ...SHOP }, `src/commands/${name}.ts`, ...args);

async function inDatabase(use: (database: TestDatabase) => Promise<void>): Promise<void> {
  const database = await createTestDatabase();
  try {
    await use(database);
  } finally {
    await database.drop();
  }
}

test('two services share a database and do not disturb each other', async t => {
  await inDatabase(async database => {
    const psql = await database.psql();
    const first = await startInstance(database.url, HERE);
    await writeTasks(first.address, ['before']);
    t.is((await post(first.address, '/task-generator/run?wait=30')).status, 'succeeded');
    const quiet = openSocket(first.address, '/ws/tasks?after=0');
    const before = await quiet.events(
      1 + Number(await readValue(psql, `SELECT count(*) - 1 FROM public.tasks`)),
    );
    const known = await fingerprint(psql);

    const second = await startInstance(database.url, SHOP);
    t.deepEqual(await fingerprint(psql), known);
    t.is(process.exitCode, undefined, 'no worker was told to stop');
    const [here, shop] = [first, second].map(({ address }) => openSocket(address, '/ws/tasks'));
    if (!here || !shop) throw new Error('unreachable');
    const [readyHere, readyShop] = [await here.next(), await shop.next()];
    t.not(readyHere.log, readyShop.log);
    t.is(readyShop.head, 0);

    const marker = randomBytes(4).toString('hex');
    await Promise.all([
      writeTasks(first.address, titlesOf(`here ${marker}`)),
      writeTasks(second.address, titlesOf(`shop ${marker}`)),
      psql.query(`INSERT INTO shop.tasks (title) VALUES ('psql shop ${marker}')`),
    ]);
    const heardHere = await here.events(20);
    const heardShop = await shop.events(21);
    t.true(heardHere.every(event => String(event.data?.task?.title).startsWith(`here ${marker}`)));
    t.true(heardShop.every(event => String(event.data?.task?.title).includes(`shop ${marker}`)));
    t.deepEqual(
      heardShop.map(event => event.position),
      Array.from({ length: 21 }, (_, index) => index + 1),
    );
    t.is(heardShop.filter(event => event.origin === 'psql').length, 1);
    t.is(heardShop.filter(event => event.origin === 'rest').length, 20);

    const runs = await Promise.all(
      [first, second].map(({ address }) => post(address, '/task-generator/run?wait=30')),
    );
    t.deepEqual(
      runs.map(({ status, attempt }) => [status, attempt]),
      [
        ['succeeded', 1],
        ['succeeded', 1],
      ],
    );
    t.is(runs[0]?.created, 0);
    t.is(runs[1]?.created, before.length - 1);
    const generated = await shop.events(before.length - 1);
    t.true(generated.every(event => event.origin === 'generator'));
    for (const schema of ['feed', 'shop_feed']) await checkLog(t, psql, schema);
    for (const socket of [quiet, here, shop]) socket.drop();
    await Promise.all([first.stop(), second.stop()]);
  });
});

test('a table of somebody’s own is watched by one of them, under its own name', async t => {
  await inDatabase(async database => {
    const psql = await database.psql();
    const shop = await startInstance(database.url, SHOP);
    const socket = openSocket(shop.address, '/ws/events?type=thing_created');
    await psql.query(`CREATE TABLE public.things (id integer PRIMARY KEY, price numeric)`);
    t.like(await socket.closed, { code: 4400 });
    await psql.query(`SELECT shop_feed.watch('public.things', 'things', 'thing')`);
    const live = openSocket(shop.address, '/ws/events?topic=things');
    await live.next();
    await psql.query('INSERT INTO public.things VALUES (1, 2.50)');
    t.deepEqual((await live.event()).data, { thing: { id: 1, price: '2.50' } });
    await checkLog(t, psql, 'shop_feed');
    await t.throwsAsync(psql.query(`SELECT feed.watch('public.things', 'things', 'thing')`), {
      message: /another service of this database watches it/,
    });
    await shop.stop();
  });
});

test('two services of one database have currencies and rates of their own', async t => {
  await inDatabase(async database => {
    const psql = await database.psql();
    const shop = await startInstance(database.url, SHOP);
    const made = await post(shop.address, '/currencies', { currency: 'USD', rate: '90' });
    t.is(made.version, 1);
    t.is(await readValue(psql, 'SELECT rate::text FROM shop.currency_rates'), '90');
    t.is(await readValue(psql, 'SELECT count(*)::int FROM public.currencies'), 0);
    await shop.stop();
  });
});

test('a service starts a second time under its name without changing anything', async t => {
  await inDatabase(async database => {
    const psql = await database.psql();
    const once = await startInstance(database.url, SHOP);
    await once.stop();
    const log = await readValue(psql, 'SELECT id FROM shop_feed.log');
    const functions = `SELECT string_agg(xmin::text, ' ' ORDER BY oid) FROM pg_proc WHERE pronamespace = 'shop_feed'::regnamespace`;
    const before = await readValue(psql, functions);
    const again = await startInstance(database.url, SHOP);
    t.is((await fetch(`${again.address}/health/ready`)).status, 200);
    await again.stop();
    t.is(await readValue(psql, 'SELECT id FROM shop_feed.log'), log);
    t.is(await readValue(psql, functions), before);
  });
});

test('the commands work on the service whose name they are given', async t => {
  await inDatabase(async database => {
    const psql = await database.psql();
    t.like(await runCommand('migrate', database.url), { code: 0 });
    const inserted = await runCommand('sql', database.url, `INSERT INTO tasks (title) VALUES ('x')`);
    t.like(inserted, { code: 0 }, inserted.output);
    t.is(await readValue(psql, 'SELECT title FROM shop.tasks'), 'x');
    t.is(await readValue(psql, 'SELECT count(*) FROM public.tasks'), '0');
    t.like(await runCommand('verify', database.url), { code: 0 });
    await psql.query('ALTER TABLE shop.tasks DISABLE TRIGGER ALL; DELETE FROM shop.tasks');
    t.like(await runCommand('verify', database.url), { code: 1 });
  });
});

test('its sessions are told apart by the service’s name, and work under its own role', async t => {
  await inDatabase(async database => {
    const psql = await database.psql();
    const shop = await startInstance(database.url, SHOP);
    const { rows } = await psql.query<{ name: string }>(
      `SELECT DISTINCT application_name AS name FROM pg_stat_activity
       WHERE datname = current_database() AND application_name LIKE 'shop %' ORDER BY name`,
    );
    const names = rows.map(row => row.name);
    for (const part of ['jobs', 'listener', 'pool', 'sequencer'])
      t.true(names.includes(`shop ${part}`), part);
    t.deepEqual((await psql.query(LOCKS_AND_CHANNELS)).rows, [
      { locks: 2, channels: ['taskwire_events', 'shop_events'] },
    ]);
    t.is(await readValue(psql, `SELECT has_table_privilege('shop_app', 'shop.tasks', 'INSERT')`), true);
    t.is(await readValue(psql, `SELECT has_schema_privilege('shop_app', 'feed', 'USAGE')`), false);
    await shop.stop();
  });
});
