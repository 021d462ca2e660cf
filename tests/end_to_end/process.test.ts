// The service as a process: its two ways to end, and that the next start works after either.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { processStamp } from '../../src/embedded/process.ts';
import { runToEnd } from '../helpers/process.ts';
import { openSocket } from '../helpers/socket.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Process {
  child: ChildProcess;
  address: string;
  docs: string;
  database: string;
  exited: Promise<number | null>;
}

// `npm start` without npm: the same command, with the addresses taken from what it prints.
async function start(dataDir: string, environment: Record<string, string> = {}): Promise<Process> {
  const child = spawn(process.execPath, ['src/main.ts'], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      DATA_DIR: dataDir,
      PORT: '0',
      GENERATOR_CRON: 'off',
      RATES_CRON: 'off',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  let [address, docs, database] = ['', '', ''];
  for await (const line of createInterface({ input: child.stdout as NonNullable<typeof child.stdout> })) {
    address ||= /the API is at (http:\S+?)"/.exec(line)?.[1] ?? '';
    docs ||= /the docs are at (http:\S+?)"/.exec(line)?.[1] ?? '';
    database ||= /psql (postgresql:[^\s"]+)/.exec(line)?.[1] ?? '';
    if (address && database) break;
  }
  child.stdout?.resume();
  if (!address) throw new Error(`it did not start: ${await exited}`);
  return { child, address, docs, database, exited };
}

const sql = (dataDir: string, statement: string) =>
  runToEnd({ DATA_DIR: dataDir }, 'src/commands/sql.ts', statement);
const verify = (dataDir: string) => runToEnd({ DATA_DIR: dataDir }, 'src/commands/verify.ts');

async function postmaster(dataDir: string): Promise<number> {
  const { output } = await runToEnd({ DATA_DIR: dataDir }, 'src/commands/sql.ts', 'SHOW data_directory');
  const folder = output.split('\n').find(line => line.startsWith('/'));
  return Number((await readFile(join(String(folder).trim(), 'postmaster.pid'), 'utf8')).split('\n')[0]);
}

test('what is printed leads to the API, its docs and its database, and tells no password', async t => {
  const dataDir = await mkdtemp(join(tmpdir(), 'taskwire-process-'));
  const service = await start(dataDir);
  t.is(service.docs, `${service.address}/docs`);
  t.is((await fetch(service.docs)).status, 200);
  t.is((await fetch(`${service.address}/tasks`)).status, 200);
  t.regex(service.database, /^postgresql:/);
  t.is(new URL(service.database).password, '');
  service.child.kill('SIGTERM');
  t.is(await service.exited, 0);
  await rm(dataDir, { recursive: true });
});

test('SIGTERM: sockets are closed with 1001, the exit code is 0, and no PostgreSQL stays behind', async t => {
  const dataDir = await mkdtemp(join(tmpdir(), 'taskwire-process-'));
  const service = await start(dataDir);
  const socket = openSocket(service.address, '/ws/tasks');
  await socket.next();
  const pid = await postmaster(dataDir);
  service.child.kill('SIGTERM');
  t.is((await socket.closed).code, 1001);
  t.is(await service.exited, 0);
  t.is(await processStamp(pid), undefined);
  await rm(dataDir, { recursive: true });
});

test('one Ctrl-C, which comes from the terminal and again from npm, stops everything in order', async t => {
  const dataDir = await mkdtemp(join(tmpdir(), 'taskwire-process-'));
  const service = await start(dataDir);
  const pid = await postmaster(dataDir);
  service.child.kill('SIGINT');
  service.child.kill('SIGINT');
  const socket = openSocket(service.address, '/ws/tasks');
  await socket.closed;
  service.child.kill('SIGINT'); // a third time, while it stops
  t.is(await service.exited, 0);
  t.is(await processStamp(pid), undefined);
  await rm(dataDir, { recursive: true });
});

test('a command that asks something of a database makes none where there is none', async t => {
  const dataDir = join(tmpdir(), `taskwire-none-${process.pid}`);
  for (const answer of [await sql(dataDir, 'SELECT 1'), await verify(dataDir)]) {
    t.is(answer.code, 1);
    t.regex(answer.output, /there is no database in .*taskwire-none.*DATA_DIR/);
  }
  await t.throwsAsync(readdir(dataDir));
});

test('SIGKILL: the next start finds the data, the log and the same numbering', async t => {
  const dataDir = await mkdtemp(join(tmpdir(), 'taskwire-process-'));
  const first = await start(dataDir);
  t.is((await sql(dataDir, `INSERT INTO tasks (title) VALUES ('before')`)).code, 0);
  const before = openSocket(first.address, '/ws/tasks?after=0');
  const { position } = await before.event();
  first.child.kill('SIGKILL');
  await first.exited;
  const second = await start(dataDir);
  const after = openSocket(second.address, '/ws/tasks?after=0');
  t.is((await after.event()).position, position);
  await sql(dataDir, `INSERT INTO tasks (title) VALUES ('after')`);
  t.is((await after.event()).data?.task?.title, 'after');
  second.child.kill('SIGTERM');
  t.is(await second.exited, 0);
  await rm(dataDir, { recursive: true });
});

test('npm run sql prints rows and errors; npm run verify finds a difference made behind the triggers', async t => {
  const dataDir = await mkdtemp(join(tmpdir(), 'taskwire-process-'));
  const service = await start(dataDir);
  const inserted = await sql(
    dataDir,
    `INSERT INTO tasks (title) VALUES ('from psql') RETURNING title, status`,
  );
  t.is(inserted.code, 0);
  t.true(inserted.output.includes('from psql | todo'), inserted.output);
  const wrong = await sql(dataDir, `INSERT INTO tasks (title) VALUES ('')`);
  t.is(wrong.code, 1);
  t.true(wrong.output.includes('tasks_title_length'), wrong.output);
  const copied = await sql(dataDir, 'COPY (SELECT title, status FROM tasks) TO STDOUT');
  t.deepEqual([copied.code, copied.output.includes('from psql\ttodo')], [0, true], copied.output);
  const lost = await sql(dataDir, `BEGIN; INSERT INTO tasks (title) VALUES ('lost')`);
  t.is(lost.code, 1);
  t.regex(lost.output, /nothing of it was kept/);
  t.is((await sql(dataDir, '-- nothing')).code, 1);
  const good = await verify(dataDir);
  t.is(good.code, 0, good.output);
  await sql(
    dataDir,
    `BEGIN; ALTER TABLE tasks DISABLE TRIGGER ALL; UPDATE tasks SET title = 'unseen'; COMMIT`,
  );
  const bad = await verify(dataDir);
  t.is(bad.code, 1);
  t.true(bad.output.includes('unseen'), bad.output);
  service.child.kill('SIGINT');
  t.is(await service.exited, 0);
  await rm(dataDir, { recursive: true });
});

// What a start that fails says, and with which code it ends.
async function failToStart(
  environment: Record<string, string>,
): Promise<{ code: number | null; said: string }> {
  const env = { PATH: process.env.PATH, PORT: '0', RATES_CRON: 'off', ...environment };
  const child = spawn(process.execPath, ['src/main.ts'], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (said += data));
  const [code] = await once(child, 'close');
  return { code, said };
}

test('a port that is taken is named before the database is touched', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-process-'));
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const { code, said } = await failToStart({ PORT: String(port), DATA_DIR: join(folder, 'data') });
  t.is(code, 1);
  t.is(
    said,
    `PORT ${port} of 127.0.0.1 is taken by another program, or another instance: set PORT to a free one, or to 0\n`,
  );
  t.deepEqual(await readdir(folder), []);
  taken.close();
  await rm(folder, { recursive: true });
});

test('a host that is not this machine’s is named', async t => {
  const { code, said } = await failToStart({ HOST: '192.0.2.1', AUTH: 'none' });
  t.is(code, 1);
  t.is(said, 'nobody can listen on HOST 192.0.2.1, PORT 0 here (EADDRNOTAVAIL)\n');
});

const onLinux = process.platform === 'linux' ? test : test.skip;
onLinux('a DATA_DIR where no folder can be made is named', async t => {
  const { code, said } = await failToStart({ DATA_DIR: '/proc/x' });
  t.is(code, 1);
  t.is(said, 'DATA_DIR /proc/x cannot be written to (ENOENT). Set DATA_DIR to a folder that can\n');
});

test('settings that are wrong are all named at once, before anything starts', async t => {
  const child = spawn(process.execPath, ['src/main.ts'], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH,
      PORT: '99999',
      AUTH: 'maybe',
      GENERATOR_CRON: 'often',
      RATES_CRON: 'seldom',
      RATES_URL: 'nowhere',
      TASK_SOURCES: 'nowhere',
      LOG_LEVEL: 'loud',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let output = '';
  child.stderr.on('data', data => (output += data));
  const [code] = await once(child, 'close');
  t.is(code, 1);
  for (const name of [
    'PORT',
    'AUTH',
    'GENERATOR_CRON',
    'RATES_CRON',
    'RATES_URL',
    'TASK_SOURCES',
    'LOG_LEVEL',
  ])
    t.true(output.includes(name), `${name} in ${output}`);
});
