// The embedded PostgreSQL when its process is interrupted, killed or doubled, and when its server is.
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import anyTest, { type TestFn } from 'ava';
import { runningEmbeddedUrl } from '../../src/embedded/embedded.ts';
import { processStamp } from '../../src/embedded/process.ts';
import {
  ask,
  build,
  isMaking,
  makeFolder,
  makeTemplate,
  pidFile,
  restartByHand,
  serverPid,
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

test('Ctrl-C reaches the service while its database still answers', async t => {
  const folder = await makeFolder(t, stopped);
  const service = startElsewhere(t, folder);
  await service.said('started');
  const pid = await serverPid(folder);
  process.kill(-service.pid, 'SIGINT');
  t.is((await service.said('interrupted')).answer, 1);
  t.is(await service.exited, 0);
  t.is(await processStamp(pid), undefined);
});

test('Ctrl-C in the middle of the first start ends in order', async t => {
  const folder = await makeFolder(t);
  const service = startElsewhere(t, folder);
  await until(() => isMaking(folder));
  process.kill(-service.pid, 'SIGINT');
  t.is(await service.exited, 0);
  t.is(await runningEmbeddedUrl(folder), undefined);
});

test('a killed service leaves a server that the next one takes over and stops', async t => {
  const { db, folder } = await build(t, stopped);
  const service = startElsewhere(t, folder);
  const { url } = await service.said('started');
  const pid = await serverPid(folder);
  service.kill('SIGKILL');
  await service.exited;
  await db.start();
  t.is(db.url, String(url));
  t.is(await serverPid(folder), pid);
  await db.stop();
  t.is(await processStamp(pid), undefined);
});

test('a service killed while it makes the database stops no later one', async t => {
  const { db, folder } = await build(t);
  const service = startElsewhere(t, folder);
  await until(() => isMaking(folder));
  service.kill('SIGKILL');
  await service.exited;
  await db.start();
  t.is(await ask(db.url, 'select 1'), 1);
  t.false(await isMaking(folder));
});

test('a service killed while it starts the server stops no later one', async t => {
  const { db, folder } = await build(t, stopped);
  const service = startElsewhere(t, folder);
  await until(() => existsSync(join(folder, 'postgres/postmaster.pid')));
  service.kill('SIGKILL');
  await service.exited;
  await db.start();
  t.is(await ask(db.url, 'select note from notes'), 'kept');
});

test('a crashed server starts again, even when another program has got its number meanwhile', async t => {
  const { db, folder } = await build(t, stopped);
  const service = startElsewhere(t, folder);
  await service.said('started');
  const pid = await serverPid(folder);
  service.kill('SIGKILL');
  await service.exited;
  process.kill(pid, 'SIGKILL');
  await until(async () => !(await processStamp(pid)));
  const remains = await readFile(pidFile(folder), 'utf8');
  await writeFile(pidFile(folder), remains.replace(String(pid), String(process.pid)));
  await db.start();
  t.is(await ask(db.url, 'select note from notes'), 'kept');
});

test('a server that crashes is brought back at the same address', async t => {
  const { db, folder, logged } = await build(t, stopped);
  await db.start();
  const { url } = db;
  process.kill(await serverPid(folder), 'SIGKILL');
  await until(() => logged('PostgreSQL is back'));
  t.is(db.url, url);
  t.is(await ask(url, 'select note from notes'), 'kept');
});

test('an operator may restart the server by hand', async t => {
  const { db, folder, logged } = await build(t, stopped);
  await db.start();
  await restartByHand(folder);
  const pid = await serverPid(folder);
  t.is((await until(() => logged('PostgreSQL is back')))?.pid, pid);
  await db.stop();
  t.is(await processStamp(pid), undefined);
});
