// One embedded PostgreSQL, several processes: whoever uses it keeps it, and the last to leave stops it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import anyTest, { type TestFn } from 'ava';
import pg from 'pg';
import { runningEmbeddedUrl } from '../../src/embedded/embedded.ts';
import { processStamp } from '../../src/embedded/process.ts';
import { ask, makeFolder, makeTemplate, serverPid, startElsewhere } from '../helpers/embedded_fixture.ts';
import { runToEnd } from '../helpers/process.ts';
import { createRandom } from '../helpers/random.ts';
import { until } from '../helpers/until.ts';

// One after the other: each has servers of its own to start, and a machine may have two processors.
const test = anyTest.serial as TestFn;
let stopped: string;

test.before(async () => {
  stopped = await makeTemplate();
});

test.after.always(() => rm(join(stopped, '..'), { recursive: true, force: true }));

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SQL = 'src/commands/sql.ts';
const sql = (folder: string, statement: string) => runToEnd({ DATA_DIR: folder }, SQL, statement);

test('two services that start at once share one server, which goes with the last of them', async t => {
  const folder = await makeFolder(t, stopped);
  const services = [startElsewhere(t, folder), startElsewhere(t, folder)];
  const [one, other] = await Promise.all(services.map(service => service.said('started')));
  t.is(one?.url, other?.url);
  const pid = await serverPid(folder);
  const roles = await Promise.all(services.map(service => service.said('PostgreSQL is ready')));
  t.deepEqual(roles.map(role => role.owner).sort(), [false, true]);
  const [guest, owner] = roles[0]?.owner ? services.toReversed() : services;
  owner?.kill('SIGINT');
  t.is(await owner?.exited, 0);
  t.is(await ask(String(one?.url), 'select 1'), 1);
  t.is(await serverPid(folder), pid);
  guest?.kill('SIGINT');
  t.is(await guest?.exited, 0);
  t.false(guest?.hasSaid('lost'));
  t.is(await processStamp(pid), undefined);
});

test('npm run sql starts the server where none runs and stops it again, also when it is interrupted', async t => {
  const folder = await makeFolder(t, stopped);
  const { code, output } = await sql(folder, 'SELECT note FROM notes');
  t.is(code, 0, output);
  t.regex(output, /kept/);
  t.is(await runningEmbeddedUrl(folder), undefined);

  const env = { PATH: process.env.PATH, DATA_DIR: folder };
  const child = spawn(process.execPath, [SQL, 'SELECT pg_sleep(600)'], { cwd: ROOT, env });
  const exited = once(child, 'exit');
  const url = await until(() => runningEmbeddedUrl(folder));
  await until(() => ask(url, `SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'`));
  child.kill('SIGINT');
  child.kill('SIGINT'); // one Ctrl-C comes twice, the second time from npm
  t.is((await exited)[0], 130);
  t.is(await runningEmbeddedUrl(folder), undefined);
});

test('npm run sql takes a killed service’s server along only if nobody has come to use it meanwhile', async t => {
  const folder = await makeFolder(t, stopped);
  const killed = startElsewhere(t, folder);
  const { url } = await killed.said('started');
  const pid = await serverPid(folder);
  const holder = new pg.Client(String(url));
  holder.on('error', () => {}); // the server ends before it does
  await holder.connect();
  killed.kill('SIGKILL');
  await killed.exited;

  await holder.query('SELECT pg_advisory_lock(1)');
  const statement = sql(folder, 'SELECT pg_advisory_xact_lock(1)');
  await until(async () => (await holder.query(`SELECT FROM pg_locks WHERE NOT granted`)).rowCount);
  const next = startElsewhere(t, folder);
  await next.said('started');
  await holder.query('SELECT pg_advisory_unlock(1)');
  t.is((await statement).code, 0);
  t.is(await serverPid(folder), pid);
  t.is(await ask(String(url), 'SELECT note FROM notes'), 'kept');

  next.kill('SIGKILL');
  await next.exited;
  t.is((await sql(folder, 'SELECT 1')).code, 0);
  t.is(await processStamp(pid), undefined);
  t.false(next.hasSaid('lost'));
});

test('a service that wants another port leaves a server that others use where it is', async t => {
  const folder = await makeFolder(t, stopped);
  const [owner, guest] = [startElsewhere(t, folder), startElsewhere(t, folder)];
  const { url } = await owner.said('started');
  await guest.said('started');
  owner.kill('SIGKILL');
  await owner.exited;
  const { code, output } = await runToEnd({ DATA_DIR: folder, DATABASE_PORT: '5433' }, SQL, 'SELECT 1');
  t.is(code, 0, output);
  t.is(await ask(String(url), 'SELECT 1'), 1);
  t.false(guest.hasSaid('lost'));
  guest.kill('SIGINT');
  t.is(await guest.exited, 0);
});

test('whatever the order of starts, kills and statements, nobody loses his server and none is left behind', async t => {
  const random = createRandom(t.log);
  const folder = await makeFolder(t, stopped);
  const services: ReturnType<typeof startElsewhere>[] = [];
  const statements: ReturnType<typeof sql>[] = [];
  const all: typeof services = [];

  for (let step = 0; step < 14; step++) {
    const chosen = random.below(10);
    const [service] = services.splice(random.below(services.length || 1), 1);
    if (chosen < 4) statements.push(sql(folder, 'SELECT note FROM notes'));
    else if (service && chosen < 8) service.kill(chosen < 6 ? 'SIGINT' : 'SIGKILL');
    else {
      const started = startElsewhere(t, folder);
      all.push(started);
      services.push(started);
      if (chosen === 9) await started.said('started');
    }
    if (service && !(chosen >= 4 && chosen < 8)) services.push(service);
    if (random.below(2)) await statements.at(-1);
  }
  for (const { code, output } of await Promise.all(statements)) t.is(code, 0, output);
  for (const service of services) await service.said('started');
  for (const service of services) service.kill('SIGINT');
  await Promise.all(all.map(service => service.exited));
  t.false(all.some(service => service.hasSaid('lost') || service.hasSaid('PostgreSQL is gone')));
  t.is((await sql(folder, 'SELECT 1')).code, 0); // of what was killed, and nothing else
  t.is(await runningEmbeddedUrl(folder), undefined);
});
