// What an owner does with the cluster: get its server to run, whatever is there already, and stop it.
import { setTimeout as delay } from 'node:timers/promises';
import { type Account, type Binaries, chooseAccount, findBinaries } from './binaries.ts';
import { type ClusterPaths, type ClusterSettings, prepareCluster, writeSettings } from './cluster.ts';
import { choosePort } from './port.ts';
import { findServer, type RunningServer, startServer, stopServer } from './server.ts';

/** What is to run, and where. */
interface Plan {
  paths: ClusterPaths;
  settings: ClusterSettings;
  packageName: string | undefined;
}

const ATTEMPTS = 3;
const BETWEEN_ATTEMPTS_MS = 500;

/**
 * Adopts the server that runs, which a killed process may have left. Otherwise, or if it listens on another port than
 * `wanted` and may be stopped, makes the cluster if need be and starts its server. Undefined when that is gone again
 * already. `mayStop` is asked only then. Rejects with a text for a person.
 */
export async function launchServer(
  plan: Plan,
  wanted: number | undefined,
  mayStop: () => Promise<boolean>,
): Promise<RunningServer | undefined> {
  const { paths, settings } = plan;
  const running = await findServer(paths.cluster);
  if (running && ((wanted ?? running.port) === running.port || !(await mayStop()))) return running;
  const tools = await findTools(plan);
  refuseShellCharacters(paths.cluster, tools.binaries.pgCtl);
  if (running) await stopServer(paths, tools.binaries, tools.account);
  await prepareCluster(paths, tools.binaries, tools.account, settings);
  return startOnSomePort(plan, tools, wanted);
}

/** Stops the server, if one runs, and whatever of it is left. */
export async function haltServer(plan: Plan): Promise<void> {
  const { binaries, account } = await findTools(plan);
  await stopServer(plan.paths, binaries, account);
}

// Again, because another process may take the port between its choice and its use, and because what a crashed server left may
// need a moment to go.
async function startOnSomePort(
  { paths, settings }: Plan,
  { binaries, account }: { binaries: Binaries; account: Account },
  wanted: number | undefined,
): Promise<RunningServer | undefined> {
  for (let attempt = 1; ; attempt++) {
    await writeSettings(paths, await choosePort(wanted, paths.port), settings, account);
    try {
      await startServer(paths, binaries, account);
      return await findServer(paths.cluster);
    } catch (error) {
      // pg_ctl of a process killed meanwhile may have been quicker, or ours ran out of patience with a recovery.
      const other = await findServer(paths.cluster);
      if (other) return other;
      if (attempt === ATTEMPTS) throw error;
    }
    await delay(BETWEEN_ATTEMPTS_MS);
  }
}

async function findTools({ paths, packageName }: Plan) {
  const binaries = await findBinaries(packageName);
  return { binaries, account: await chooseAccount(paths.cluster, binaries) };
}

// pg_ctl hands its paths to /bin/sh between double quotes.
function refuseShellCharacters(...paths: string[]): void {
  if (process.platform === 'win32') return;
  const bad = paths.find(path => /["$`\\]/.test(path));
  if (bad) throw new Error(`PostgreSQL cannot start from a folder with ", $, \` or \\ in its name: ${bad}`);
}
