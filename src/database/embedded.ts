// The PostgreSQL that comes with Taskwire, for whoever has none: made, started, watched and stopped with the service.
import { setTimeout as delay } from 'node:timers/promises';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { databaseUrl, untilReady } from './embedded/client.ts';
import { type ClusterPaths, type ClusterSettings, clusterPaths, readPassword } from './embedded/cluster.ts';
import { haltServer, launchServer } from './embedded/launch.ts';
import { claimOwnership, livingOwner, type Ownership } from './embedded/owner.ts';
import { processStamp } from './embedded/process.ts';
import { boundLog, findServer, type RunningServer } from './embedded/server.ts';

export interface EmbeddedPostgresOptions {
  /** Made if missing. Holds postgres/ (the cluster), password, port, owner/ and postgres.log. */
  dataDir: string;
  /** Default: the one kept with the data if it is free, else a free one, which is kept. */
  port?: number | undefined;
  /** More settings as in postgresql.conf, such as fsync=off for a cluster to throw away. */
  settings?: ClusterSettings;
  /** Another version's package. */
  packageName?: string;
  logger: Logger;
}

export interface EmbeddedPostgres extends Service {
  /** postgresql://taskwire:<password>@127.0.0.1:<port>/taskwire. Throws before start() resolved. */
  readonly url: string;
}

const WATCH_MS = 1000;
const RESTART_AFTER_MS = 3000;
const GUEST_PATIENCE_MS = 60_000;

/**
 * Builds the launcher. start() makes the cluster if there is none, adopts its server if one runs, starts it otherwise,
 * and rejects with a text for a person when it cannot. Several processes may share a data folder: the first is the owner,
 * whose stop() stops the server; the others are guests. A server that dies meanwhile is brought back.
 */
export function createEmbeddedPostgres(options: EmbeddedPostgresOptions): EmbeddedPostgres {
  const { port, settings = {}, packageName, logger } = options;
  const paths = clusterPaths(options.dataDir);
  const plan = { paths, settings, packageName };
  let ownership: Ownership | undefined;
  let server: RunningServer | undefined;
  let password = '';
  let downSince: number | undefined;
  let timer: NodeJS.Timeout | undefined;
  let stopping = false;
  let starting: Promise<void> | undefined;
  let checking: Promise<void> | undefined;
  let stopped: Promise<void> | undefined;

  async function begin(): Promise<void> {
    const before = stopped;
    [stopping, stopped] = [false, undefined];
    await before;
    try {
      server = await obtain();
    } catch (error) {
      // One that started and then does not accept our password, for example.
      if (ownership) await haltServer(plan).catch(() => {});
      await release();
      starting = undefined;
      throw error;
    }
    logger.info(
      { port: server.port, dataDir: paths.dataDir, owner: Boolean(ownership) },
      'PostgreSQL is ready',
    );
    timer = setInterval(() => (checking ??= check().finally(() => (checking = undefined))), WATCH_MS).unref();
  }

  async function obtain(): Promise<RunningServer> {
    for (const deadline = Date.now() + GUEST_PATIENCE_MS; Date.now() < deadline; await delay(20)) {
      if (stopping) throw new Error('Stopped before PostgreSQL was started');
      const found = await attempt(port);
      if (found) return found;
    }
    const pid = await livingOwner(paths.owner);
    throw new Error(
      `Process ${pid} has ${paths.dataDir} and does not get its PostgreSQL to run. Stop it first`,
    );
  }

  // Undefined: somebody else is on the way to it, look again.
  async function attempt(wanted: number | undefined): Promise<RunningServer | undefined> {
    ownership ??= await claim(paths);
    const found = ownership ? await launchServer(plan, wanted) : await findServer(paths.cluster);
    if (!found) return undefined;
    password = await readPassword(paths);
    return (await untilReady(found, paths, password)) ? found : undefined;
  }

  async function check(): Promise<void> {
    try {
      await boundLog(paths);
      if (server && (await processStamp(server.pid)) !== server.stamp) await recover(server);
    } catch (error) {
      if (stopping) return;
      logger.error({ err: error }, 'PostgreSQL cannot be brought back yet');
      downSince = Date.now();
    }
  }

  // An operator who restarts it with pg_ctl gets the time to do so.
  async function recover(lost: RunningServer): Promise<void> {
    if (downSince === undefined) logger.warn({ pid: lost.pid }, 'PostgreSQL is gone');
    downSince ??= Date.now();
    const theirs = await findServer(paths.cluster);
    if (!theirs && Date.now() - downSince < RESTART_AFTER_MS) return;
    // The same port, always: others have been told it.
    const found = theirs && (await untilReady(theirs, paths, password)) ? theirs : await attempt(lost.port);
    if (!found || stopping) return;
    server = found;
    downSince = undefined;
    logger.info({ pid: found.pid, port: found.port }, 'PostgreSQL is back');
  }

  async function end(): Promise<void> {
    const ended = starting;
    clearInterval(timer);
    await Promise.allSettled([ended, checking]);
    try {
      if (ownership) await haltServer(plan);
    } finally {
      await release();
      [server, downSince] = [undefined, undefined];
      if (starting === ended) starting = undefined;
    }
  }

  async function release(): Promise<void> {
    // One that cannot be given back, as on a full disk, ends with this process.
    await ownership?.release().catch(error => logger.warn({ err: error }, 'The data folder stays claimed'));
    ownership = undefined;
  }

  return {
    name: 'embedded PostgreSQL',
    get url() {
      if (!server) throw new Error('The embedded PostgreSQL has no address before it is started');
      return databaseUrl(server.port, password);
    },
    start() {
      starting ??= begin();
      return starting;
    },
    stop() {
      stopping = true;
      stopped ??= end();
      return stopped;
    },
  };
}

/** The url of the server that runs in dataDir now; undefined when none does. Starts and stops nothing. */
export async function runningEmbeddedUrl(dataDir: string): Promise<string | undefined> {
  const paths = clusterPaths(dataDir);
  const server = await findServer(paths.cluster);
  if (!server) return undefined;
  const password = await readPassword(paths);
  return (await untilReady(server, paths, password)) ? databaseUrl(server.port, password) : undefined;
}

async function claim({ dataDir, owner }: ClusterPaths): Promise<Ownership | undefined> {
  return claimOwnership(owner).catch(error => {
    const reason = (error as NodeJS.ErrnoException).code ?? error;
    throw new Error(
      `DATA_DIR ${dataDir} cannot be written to (${reason}). Set DATA_DIR to a folder that can`,
      {
        cause: error,
      },
    );
  });
}
