// Another process with the embedded PostgreSQL in it, to be interrupted and killed, and folders for it to work in.
import { spawn } from 'node:child_process';
import { cpSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { ExecutionContext } from 'ava';
import pg from 'pg';
import { pino } from 'pino';
import { chooseAccount, findBinaries, run } from '../../src/embedded/binaries.ts';
import { clusterPaths } from '../../src/embedded/cluster.ts';
import { createEmbeddedPostgres, type EmbeddedPostgresOptions } from '../../src/embedded/embedded.ts';
import { haltServer } from '../../src/embedded/launch.ts';
import { until } from './until.ts';

/** For clusters to throw away. */
export const QUICK = { fsync: 'off' };
export const silent = pino({ level: 'silent' });

const ROOT = new URL('../../', import.meta.url);
const SCRIPT = `
  import pg from 'pg';
  import pino from 'pino';
  import { createEmbeddedPostgres } from './src/embedded/embedded.ts';
  const say = line => console.log(JSON.stringify(line));
  const logger = pino({ base: null }, { write: line => process.stdout.write(line) });
  const db = createEmbeddedPostgres({ dataDir: process.env.FOLDER, settings: { fsync: 'off' }, logger });
  let client;
  let stopping = false;
  process.on('SIGINT', async () => {
    stopping = true;
    if (client) say({ msg: 'interrupted', answer: (await client.query('select 1 as one')).rows[0].one });
    await client?.end();
    await db.stop();
    process.exit(0);
  });
  await db.start().catch(error => {
    if (!stopping) throw error;
    return new Promise(() => {}); // it was cut short, and stop() ends the process
  });
  client = new pg.Client(db.url);
  client.on('error', () => stopping || say({ msg: 'lost' }));
  await client.connect();
  say({ msg: 'started', url: db.url });
  setInterval(() => {}, 1000);
`;

export type Line = Record<string, unknown>;

/** Starts the other process, at the head of a process group of its own as a terminal would; killed with the test. */
export function startElsewhere(t: ExecutionContext, folder: string, env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT], {
    cwd: ROOT,
    detached: true,
    env: { PATH: process.env.PATH, ...env, FOLDER: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const lines: Line[] = [];
  createInterface(child.stdout).on('line', line => lines.push(JSON.parse(line)));
  const exited = new Promise<number | null>(resolve => child.once('close', resolve));
  const said = async (msg: string) => {
    await until(() => lines.some(line => line.msg === msg) || child.exitCode !== null);
    const line = lines.find(each => each.msg === msg);
    if (!line) throw new Error(`It ended without saying “${msg}”`);
    return line;
  };
  return {
    pid: child.pid as number,
    kill: child.kill.bind(child),
    exited,
    said,
    hasSaid: (msg: string) => lines.some(line => line.msg === msg),
  };
}

/** A stopped cluster to copy, with a table `notes` that holds 'kept'. Whoever asks for it removes the folder above it. */
export async function makeTemplate(): Promise<string> {
  const folder = join(await mkdtemp(join(tmpdir(), 'taskwire-template-')), 'data');
  const db = createEmbeddedPostgres({ dataDir: folder, settings: QUICK, logger: silent });
  await db.start();
  await ask(db.url, "create table notes as select 'kept' as note");
  await db.stop();
  return folder;
}

/** A folder of the test's own, a copy of `from` if given; its server and its files go with the test. */
export async function makeFolder(t: ExecutionContext, from?: string): Promise<string> {
  // A name people have: with spaces, a quote, and letters beyond ASCII.
  const parent = await mkdtemp(join(tmpdir(), "taskwire o'данные "));
  const folder = join(parent, 'data');
  t.teardown(async () => {
    await haltServer({ paths: clusterPaths(folder), settings: {}, packageName: undefined });
    await rm(parent, { recursive: true, force: true });
  });
  // Ten times as quick as cp(), for a thousand small files.
  if (from) cpSync(from, folder, { recursive: true });
  return folder;
}

type Options = Pick<Partial<EmbeddedPostgresOptions>, 'port' | 'packageName' | 'settings'>;

/** An embedded PostgreSQL for one test, over a copy of `from` if given, and what it logs. */
export async function build(t: ExecutionContext, from?: string, options: Options = {}) {
  const folder = await makeFolder(t, from);
  const lines: Line[] = [];
  const listening = pino({ base: null }, { write: line => lines.push(JSON.parse(line)) });
  const db = createEmbeddedPostgres({ dataDir: folder, settings: QUICK, logger: listening, ...options });
  t.teardown(() => db.stop());
  return { db, folder, logged: (msg: string) => lines.find(line => line.msg === msg) };
}

export const pidFile = (folder: string) => join(folder, 'postgres/postmaster.pid');

/** The postmaster's pid. */
export async function serverPid(folder: string): Promise<number> {
  return Number.parseInt(await readFile(pidFile(folder), 'utf8'), 10);
}

/** Whether initdb's folder is there. */
export async function isMaking(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  return names.some(name => name.startsWith('postgres.new-'));
}

/** What an operator does with pg_ctl. */
export async function restartByHand(folder: string): Promise<void> {
  const cluster = join(folder, 'postgres');
  const binaries = await findBinaries();
  const account = await chooseAccount(cluster, binaries);
  await run(account, binaries.pgCtl, [
    'restart',
    '-w',
    '-m',
    'fast',
    '-D',
    cluster,
    '-l',
    join(folder, 'postgres.log'),
  ]);
}

/** A port that another program has. */
export async function occupy(t: ExecutionContext): Promise<number> {
  const server = createServer();
  t.teardown(() => server.close());
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as { port: number }).port;
}

/** The first value of the first row. */
export async function ask(url: string, query: string): Promise<unknown> {
  const client = new pg.Client(url);
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query({ text: query, rowMode: 'array' })).rows[0]?.[0];
  } finally {
    await client.end();
  }
}
