// The PostgreSQL that comes with Taskwire, for users who have none: made, started, watched and stopped with the service.
import { setTimeout as delay } from 'node:timers/promises';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { databaseUrl, untilReady } from './client.ts';
import { type ClusterPaths, type ClusterSettings, clusterPaths, readPassword } from './cluster.ts';
import { haltServer, launchServer } from './launch.ts';
import { livingOwner } from './owner.ts';
import { processStamp } from './process.ts';
import { boundLog, findServer, type RunningServer } from './server.ts';
import { joinServer, type Share } from './share.ts';

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

interface EmbeddedPostgres extends Service {
  /** postgresql://taskwire:<password>@127.0.0.1:<port>/taskwire. Throws before start() resolved. */
  readonly url: string;
}

const WATCH_MS = 1000;
const RESTART_AFTER_MS = 3000;
const GUEST_PATIENCE_MS = 60_000;

/**
 * Builds the launcher. start() makes the cluster if there is none, adopts its server if one runs, starts it otherwise,
 * and rejects with a text for a person when it cannot. Several processes may share a data folder: the first is the owner,
 * who starts the server, the others are guests, and the stop() of the last one stops it. A server that dies meanwhile is
 * brought back. A guest, and an owner who finds a server that others use, takes the port that there is.
 */
export function createEmbeddedPostgres(options: EmbeddedPostgresOptions): EmbeddedPostgres {
  const { port, settings = {}, packageName, logger } = options;
  const paths = clusterPaths(options.dataDir);
  const plan = { paths, settings, packageName };
  let share: Share | undefined;
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
      await leave().catch(() => {});
      starting = undefined;
      throw error;
    }
    logger.info({ port: server.port, dataDir: paths.dataDir, owner: share?.owns }, 'PostgreSQL is ready');
    timer = setInterval(() => (checking ??= check().finally(() => (checking = undefined))), WATCH_MS).unref();
  }

  async function obtain(): Promise<RunningServer> {
    for (const deadline = Date.now() + GUEST_PATIENCE_MS; Date.now() < deadline; await delay(20)) {
      if (stopping) throw new Error('Stopped before PostgreSQL was started');
      const found = await attempt(port);
      if (found) return found;
    }
    const owner = await livingOwner(paths.owner);
    throw new Error(
      `Process ${owner?.pid} has ${paths.dataDir} and does not get its PostgreSQL to run. Stop it first`,
    );
  }

  // Undefined: another process is on the way to it, look again.
  async function attempt(wanted: number | undefined): Promise<RunningServer | undefined> {
    share ??= await join(paths, logger);
    const found = (await share.own()) ? await launch(share, wanted) : await findTheirs(share);
    if (!found) return undefined;
    password = await readPassword(paths);
    return (await untilReady(found, paths, password)) ? found : undefined;
  }

  async function launch(mine: Share, wanted: number | undefined): Promise<RunningServer | undefined> {
    try {
      return await launchServer(plan, wanted, mine.close);
    } finally {
      await mine.open();
    }
  }

  async function findTheirs(mine: Share): Promise<RunningServer | undefined> {
    return (await mine.isClosing()) ? undefined : findServer(paths.cluster);
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
      await leave();
    } finally {
      [server, downSince] = [undefined, undefined];
      if (starting === ended) starting = undefined;
    }
  }

  async function leave(): Promise<void> {
    const mine = share;
    share = undefined;
    await mine?.leave(() => haltServer(plan));
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

async function join({ dataDir, owner }: ClusterPaths, logger: Logger): Promise<Share> {
  return joinServer(owner, logger).catch(error => {
    const reason = (error as NodeJS.ErrnoException).code ?? error;
    throw new Error(
      `DATA_DIR ${dataDir} cannot be written to (${reason}). Set DATA_DIR to a folder that can`,
      {
        cause: error,
      },
    );
  });
}
