// The embedded server's files: what lies where, how a cluster is made, which settings it runs with.
import { randomBytes, randomUUID } from 'node:crypto';
import {
  appendFile,
  chmod,
  chown,
  lchown,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { type Account, type Binaries, lastLines, run } from './binaries.ts';

export interface ClusterPaths {
  dataDir: string;
  /** PostgreSQL's own data directory. */
  cluster: string;
  password: string;
  port: string;
  owner: string;
  log: string;
}

/** As in postgresql.conf, values without quotes. */
export type ClusterSettings = Record<string, string>;

export function clusterPaths(dataDir: string): ClusterPaths {
  const at = (name: string) => join(resolve(dataDir), name);
  return {
    dataDir: resolve(dataDir),
    cluster: at('postgres'),
    password: at('password'),
    port: at('port'),
    owner: at('owner'),
    log: at('postgres.log'),
  };
}

/**
 * Makes the cluster unless it is there; only the owner may call it. It is made beside its place and renamed into it, so
 * a killed initdb leaves a folder that the next call removes. Rejects when the data is another major version's.
 */
export async function prepareCluster(
  paths: ClusterPaths,
  binaries: Binaries,
  account: Account,
  settings: ClusterSettings,
): Promise<void> {
  await removeDrafts(paths);
  const version = await readFile(join(paths.cluster, 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (version === undefined) return createCluster(paths, binaries, account, settings);
  if (Number.parseInt(version, 10) !== binaries.major)
    throw new Error(otherVersion(paths, version, binaries));
  await handOver(paths, account);
  // A folder that was copied or restored often comes back open to others, which PostgreSQL refuses.
  await chmod(paths.cluster, 0o700);
}

/** The password of the cluster's superuser. Rejects when its file is gone. */
export async function readPassword({ password, cluster }: ClusterPaths): Promise<string> {
  const text = await readFile(password, 'utf8').catch(error => {
    throw new Error(`The password of the database in ${cluster} cannot be read from ${password}`, {
      cause: error,
    });
  });
  return text.trim();
}

/** Writes what the next start runs with. ALTER SYSTEM wins over it, so an operator's wish outlives ours. */
export async function writeSettings(
  { cluster, port: portFile }: ClusterPaths,
  port: number,
  extra: ClusterSettings,
  { owner }: Account,
): Promise<void> {
  const lines = Object.entries({ ...defaults(port), ...extra }).map(
    ([name, value]) => `${name} = '${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`,
  );
  const head = '# Written by Taskwire at every start. What you set with ALTER SYSTEM wins over this.';
  await replace(join(cluster, 'taskwire.conf'), `${[head, ...lines].join('\n')}\n`, owner);
  await replace(portFile, `${port}\n`);
}

function defaults(port: number): ClusterSettings {
  const common = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '100',
    timezone: 'UTC',
    log_timezone: 'UTC',
    // One line every five minutes of an idle evening is of no use.
    log_checkpoints: 'off',
  };
  if (process.platform === 'win32') return common;
  return {
    ...common,
    client_connection_check_interval: '10s',
    tcp_keepalives_idle: '60',
    tcp_keepalives_interval: '10',
    tcp_keepalives_count: '3',
  };
}

async function createCluster(
  paths: ClusterPaths,
  binaries: Binaries,
  account: Account,
  settings: ClusterSettings,
): Promise<void> {
  // Another user without a privilege that lets it through everything: it has to get to the cluster, and sees no more.
  if (account.spawnAs) await chmod(paths.dataDir, 0o711);
  await createPassword(paths, account);
  const draft = `${paths.cluster}.new-${randomUUID()}`;
  await mkdir(draft, { mode: 0o700 });
  if (account.owner) await chown(draft, account.owner.uid, account.owner.gid);
  const { ok, output } = await run(account, binaries.initdb, [
    `--pgdata=${draft}`,
    '--username=taskwire',
    `--pwfile=${paths.password}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    ...localeArguments(binaries.major),
    '--no-instructions',
    ...(settings.fsync === 'off' ? ['--no-sync'] : []),
  ]);
  if (!ok) {
    await rm(draft, { recursive: true, force: true });
    throw new Error(
      `initdb could not make the database in ${paths.dataDir}:\n${lastLines(output)}${advice(account)}`,
    );
  }
  await appendFile(join(draft, 'postgresql.conf'), "\ninclude_if_exists 'taskwire.conf'\n");
  await rename(draft, paths.cluster).catch(error => {
    throw new Error(`${paths.cluster} is in the way: it exists and holds no database`, { cause: error });
  });
}

// The builtin provider (PostgreSQL 17) lowers, uppers and sorts alike on every platform, knows every script, and cannot
// break indexes when the system's C library changes its mind about order. Full text still asks the C library what a
// letter is, hence a UTF-8 LC_CTYPE beside it. macOS has no C.UTF-8 of its own, Windows no UTF-8 one at all (there, every
// character beyond ASCII is a letter); both are untested.
function localeArguments(major: number): string[] {
  const platform = { linux: ['--locale=C.UTF-8'], darwin: ['--locale=C', '--lc-ctype=en_US.UTF-8'] };
  const locale = platform[process.platform as keyof typeof platform] ?? ['--locale=C'];
  return major < 17 ? locale : [...locale, '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
}

// Before the cluster, so that none ever stands without it; one left by an initdb that failed opens nothing.
async function createPassword({ password }: ClusterPaths, { owner }: Account): Promise<void> {
  await replace(password, `${randomBytes(24).toString('base64url')}\n`, owner);
}

async function removeDrafts({ dataDir, cluster }: ClusterPaths): Promise<void> {
  const drafts = (await readdir(dataDir)).filter(name => name.startsWith(`${basename(cluster)}.new-`));
  // An initdb that outlived its killed parent may still write here; what cannot be removed now is next time.
  const removals = drafts.map(name =>
    rm(join(dataDir, name), { recursive: true, force: true, maxRetries: 2 }),
  );
  await Promise.allSettled(removals);
}

// A cluster made in a user namespace is root's; where only a real user is left to run it, it has to be that user's.
async function handOver({ cluster }: ClusterPaths, { owner }: Account): Promise<void> {
  if (!owner || (await stat(cluster)).uid === owner.uid) return;
  const names = await readdir(cluster, { recursive: true });
  for (const name of [...names, '.']) await lchown(join(cluster, name), owner.uid, owner.gid);
}

// For its owner's eyes alone, that is ours or PostgreSQL's.
async function replace(path: string, content: string, owner?: Account['owner']): Promise<void> {
  const draft = join(dirname(path), `.${basename(path)}-${randomUUID()}`);
  await writeFile(draft, content, { mode: 0o600 });
  if (owner) await chown(draft, owner.uid, owner.gid);
  await rename(draft, path);
}

function advice({ spawnAs }: Account): string {
  if (!spawnAs) return '';
  const reason = `PostgreSQL refuses root, so user ${spawnAs.uid} has to be let into the folder.`;
  return `\n${reason} Set DATA_DIR to one where that is so, or DATABASE_URL to a PostgreSQL of your own`;
}

function otherVersion({ cluster }: ClusterPaths, version: string, { major }: Binaries): string {
  return (
    `The data in ${cluster} was made by PostgreSQL ${version.trim()}, this is PostgreSQL ${major}. ` +
    'Set DATA_DIR to a new folder to start empty; to keep the data, dump it with the version that made it ' +
    'and load it into the new one, or point DATABASE_URL at a server of that version'
  );
}
