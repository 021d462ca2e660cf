// The server process of an embedded cluster: found through postmaster.pid, started and stopped with pg_ctl.
import {
  appendFile,
  chown,
  copyFile,
  readdir,
  readFile,
  readlink,
  realpath,
  rm,
  stat,
  truncate,
} from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Account, type Binaries, lastLines, run } from './binaries.ts';
import type { ClusterPaths } from './cluster.ts';
import { processStamp } from './process.ts';

export interface RunningServer {
  pid: number;
  /** See processStamp: tells the server from a later process with the same pid. */
  stamp: string;
  port: number;
}

const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
const FAST_STOP_SECONDS = 8;

/** The server that has the cluster open now, ready or not; a stale postmaster.pid, even with a recycled pid, is none. */
export async function findServer(cluster: string): Promise<RunningServer | undefined> {
  const [pidLine, , , portLine] = (await readPidFile(cluster))?.split('\n') ?? [];
  const [pid, port] = [Number(pidLine), Number(portLine)];
  if (!(pid > 0 && port > 0)) return undefined;
  const stamp = await processStamp(pid);
  return stamp && (await servesCluster(pid, cluster)) ? { pid, stamp, port } : undefined;
}

/**
 * Starts the server in a session of its own, which pg_ctl gives it: the terminal's Ctrl-C reaches node alone, and node
 * stops it in order. Rejects with the end of the server's log. Takes away first what a crashed server left.
 */
export async function startServer(paths: ClusterPaths, { pgCtl }: Binaries, account: Account): Promise<void> {
  await clearRemains(paths.cluster);
  await boundLog(paths);
  await appendFile(paths.log, '', { mode: 0o600 });
  if (account.owner) await chown(paths.log, account.owner.uid, account.owner.gid);
  const { size } = await stat(paths.log);
  const { ok, output } = await run(account, pgCtl, [
    'start',
    '-w',
    '-s',
    '-D',
    paths.cluster,
    '-l',
    paths.log,
  ]);
  if (ok) return;
  const log = (await readFile(paths.log)).subarray(size).toString();
  throw new Error(`PostgreSQL did not start:\n${lastLines(log || output)}`);
}

/** Stops the server and waits until its process is gone: at first cutting connections, after 8 s without ceremony. */
export async function stopServer(paths: ClusterPaths, { pgCtl }: Binaries, account: Account): Promise<void> {
  const server = await findServer(paths.cluster);
  if (!server) return clearRemains(paths.cluster);
  const stop = (mode: string, seconds: number) =>
    run(account, pgCtl, ['stop', '-w', '-s', '-m', mode, '-t', String(seconds), '-D', paths.cluster]);
  await stop('fast', FAST_STOP_SECONDS);
  // pg_ctl is content when postmaster.pid is gone, which is a moment before the process is.
  if (await isGone(server, 1000)) return;
  const { output } = await stop('immediate', FAST_STOP_SECONDS);
  if (await isGone(server, 1000)) return;
  throw new Error(`PostgreSQL (pid ${server.pid}) does not stop: ${lastLines(output)}`);
}

/** Keeps the server's log, with the one before it, under some 20 MB. The server appends, so it may be cut while it runs. */
export async function boundLog({ log }: ClusterPaths): Promise<void> {
  const size = await stat(log).then(
    found => found.size,
    () => 0,
  );
  if (size <= LOG_LIMIT_BYTES) return;
  await copyFile(log, `${log}.1`);
  await truncate(log);
}

// A pid that lives may be anybody's. On Linux a postmaster stands in its data directory; where only that is hidden
// (another user's, in a container), and on macOS, its program's name has to do, and the SQL check that follows.
async function servesCluster(pid: number, cluster: string): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const folder = await readlink(`/proc/${pid}/cwd`).catch(() => undefined);
  if (folder !== undefined) return folder === (await realpath(cluster));
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return basename(command.split('\0')[0] ?? '') === 'postgres';
}

// PostgreSQL does not start while a stale postmaster.pid names any living process or is empty, nor while a killed
// postmaster's children still hold its shared memory. A negative pid is a person's single-user server: not stale, not ours.
async function clearRemains(cluster: string): Promise<void> {
  const remains = await readPidFile(cluster);
  if (remains === undefined || remains.startsWith('-')) return;
  await endOrphans(cluster);
  if ((await readPidFile(cluster)) === remains) await rm(join(cluster, 'postmaster.pid'), { force: true });
}

// Elsewhere than on Linux they end by themselves, as they usually do here: when they next look at their client.
async function endOrphans(cluster: string): Promise<void> {
  if (process.platform !== 'linux') return;
  const folder = await realpath(cluster);
  const pids = (await readdir('/proc')).map(Number).filter(pid => pid > 0);
  await Promise.all(pids.map(pid => endOrphan(pid, folder)));
}

async function endOrphan(pid: number, folder: string): Promise<void> {
  const stamp = await processStamp(pid);
  const [cwd, program] = await Promise.all(
    ['cwd', 'exe'].map(name => readlink(`/proc/${pid}/${name}`).catch(() => '')),
  );
  if (!stamp || cwd !== folder || !basename(program ?? '').startsWith('postgres')) return;
  try {
    // What the postmaster itself would send them.
    process.kill(pid, 'SIGQUIT');
  } catch {
    return;
  }
  await isGone({ pid, stamp }, 5000);
}

async function isGone({ pid, stamp }: { pid: number; stamp: string }, withinMs: number): Promise<boolean> {
  for (const deadline = Date.now() + withinMs; Date.now() < deadline; await delay(10)) {
    if ((await processStamp(pid)) !== stamp) return true;
  }
  return false;
}

function readPidFile(cluster: string): Promise<string | undefined> {
  return readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => undefined);
}
