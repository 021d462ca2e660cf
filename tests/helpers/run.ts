// Runs the tests: a throw-away PostgreSQL, a migrated template that each test file clones, then ava with this
// command's arguments. TEST_POSTGRES=16 makes it the oldest supported PostgreSQL; TEST_DATABASE_URL names a server to
// use instead, by a role that may create databases.
// Whatever a test file leaves behind ends with the run: ava cuts one off that runs into its time limit, and then no
// teardown of it is called. All its processes are in one group; a PostgreSQL that it started, which leaves every group,
// is found by its data folder, for the temporary files of a run are in a folder of their own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { platformPackage } from '../../src/embedded/binaries.ts';
import { createEmbeddedPostgres } from '../../src/embedded/embedded.ts';
import { createLogger } from '../../src/logger.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { openSession } from '../../src/postgres/session.ts';
import { databaseUrl, SERVICE } from './database.ts';

const logger = createLogger({ level: 'warn', pretty: false });
const AVA = fileURLToPath(new URL('../../node_modules/ava/entrypoints/cli.js', import.meta.url));

const given = process.env.TEST_DATABASE_URL;
if (given !== undefined) {
  process.exitCode = await runOn(given);
} else {
  const dataDir = await mkdtemp(join(tmpdir(), 'taskwire-tests-'));
  const settings = {
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    max_connections: '300',
  };
  const server = createEmbeddedPostgres({
    dataDir,
    settings,
    logger,
    ...(await packageOf(process.env.TEST_POSTGRES)),
  });
  await server.start();
  try {
    process.exitCode = await runOn(server.url);
  } finally {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

// The programs of the oldest version are no dependency of the project's: they are installed when they are asked for, as
// the lockfile beside them says.
async function packageOf(version: string | undefined): Promise<{ packageName?: string }> {
  if (version === undefined || version === '18') return {};
  if (version !== '16') throw new Error(`TEST_POSTGRES is ${version}; there are 16 and 18`);
  const folder = fileURLToPath(new URL('../postgres16', import.meta.url));
  if (!existsSync(join(folder, 'node_modules', platformPackage()))) await install(folder);
  const near = createRequire(join(folder, 'package.json'));
  return { packageName: pathToFileURL(near.resolve(platformPackage())).href };
}

async function install(folder: string): Promise<void> {
  const child = spawn('npm', ['ci', '--loglevel=error'], { cwd: folder, stdio: 'inherit' });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`npm ci in ${folder} ended with ${code}`);
}

async function runOn(server: string): Promise<number> {
  const template = `taskwire_template_${process.pid}`;
  const session = await openSession({ service: SERVICE, url: server, name: 'tests' });
  await session.query(`CREATE DATABASE ${template} ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0`);
  try {
    await migrate({ service: SERVICE, url: databaseUrl(server, template), logger });
    return await runAva({ TEST_SERVER_URL: server, TEST_TEMPLATE: template });
  } finally {
    await session.query(`DROP DATABASE ${template} WITH (FORCE)`);
    await session.end();
  }
}

async function runAva(environment: Record<string, string>): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-run-'));
  await chmod(folder, 0o755); // as /tmp: what will not run as root must get at its own files in there
  const child = spawn(process.execPath, [AVA, ...process.argv.slice(2)], {
    stdio: 'inherit',
    detached: true, // at the head of a group of its own
    env: { ...process.env, TMPDIR: folder, ...environment },
  });
  const { pid } = child;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => signalGroup(pid, signal));
  const [code] = await once(child, 'exit');
  signalGroup(pid, 'SIGKILL');
  await endServers(folder);
  await rm(folder, { recursive: true, force: true, maxRetries: 10 });
  return code ?? 1;
}

function signalGroup(leader: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (leader !== undefined) process.kill(-leader, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // there is none of it any more
  }
}

async function endServers(folder: string): Promise<void> {
  const names = await readdir(folder, { recursive: true });
  for (const name of names.filter(name => basename(name) === 'postmaster.pid')) {
    const [pid] = (await readFile(join(folder, name), 'utf8')).split('\n');
    process.stderr.write(`a test left a PostgreSQL behind, ${name}: it is ended\n`);
    process.kill(Number(pid), 'SIGQUIT');
  }
}
