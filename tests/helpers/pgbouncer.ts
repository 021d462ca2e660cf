// A real PgBouncer of one's own, in transaction mode, in front of the server that `npm test` started. Where the program is
// not installed the tests that need it are skipped, and say so; in CI they fail.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { chooseAccount } from '../../src/embedded/binaries.ts';
import { closeSession, openBareSession } from '../../src/postgres/session.ts';
import { SERVICE } from './database.ts';
import { findLastingPort } from './port.ts';
import { findProgram, testsWith } from './program.ts';
import { until } from './until.ts';

const MISSING = 'pgbouncer is not installed: `apt-get install pgbouncer`, somewhere in PATH';

const program = findProgram('pgbouncer');

/** A test that needs PgBouncer. */
export const pgbouncerTest = testsWith(test, program, MISSING);

export interface TestPgbouncer {
  /** The address of the same database through the pooler. */
  through(url: string): string;
  stop(): Promise<void>;
}

/** A pooler with so many connections to each database of a server, as its superuser; settings are PgBouncer's defaults. */
export async function startPgbouncer(server: string, size: number): Promise<TestPgbouncer> {
  if (program === undefined) throw new Error(MISSING);
  const { hostname, port: serverPort, username, password } = new URL(server);
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-pgbouncer-'));
  const [port, users, settings] = [
    await findLastingPort(),
    join(folder, 'users.txt'),
    join(folder, 'pgbouncer.ini'),
  ];
  await writeFile(users, `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`);
  const lines = [
    '[databases]',
    `* = host=${hostname} port=${serverPort}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = scram-sha-256',
    `auth_file = ${users}`,
    'pool_mode = transaction',
    `default_pool_size = ${size}`,
  ];
  await writeFile(settings, `${lines.join('\n')}\n`);
  // It refuses to run as root, as PostgreSQL does.
  const { prefix, owner, spawnAs } = await chooseAccount(folder, {
    initdb: program,
    pgCtl: program,
    major: 0,
  });
  if (owner) for (const path of [folder, users, settings]) await chown(path, owner.uid, owner.gid);
  const [command = program, ...args] = [...prefix, program, settings];
  const child = spawn(command, args, { ...spawnAs, stdio: ['ignore', 'ignore', 'pipe'] });
  const cutShort = () => child.kill('SIGKILL');
  process.once('exit', cutShort);
  let said = '';
  child.stderr.on('data', data => (said += data));
  const exited = once(child, 'exit');
  const through = (url: string) => Object.assign(new URL(url), { host: `127.0.0.1:${port}` }).href;
  await until(async () => child.exitCode !== null || (await accepts(through(server))));
  if (child.exitCode !== null) throw new Error(`pgbouncer did not start: ${said}`);
  return {
    through,
    stop: async () => {
      child.kill('SIGINT');
      await exited;
      process.off('exit', cutShort);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function accepts(url: string): Promise<boolean> {
  const session = await openBareSession({ service: SERVICE, url, name: 'tests' }).catch(() => undefined);
  if (session) await closeSession(session);
  return session !== undefined;
}
