// What the suite torments: a PostgreSQL of its own, and instances that reach it over a cable each.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterPaths } from '../../../src/embedded/cluster.ts';
import { createEmbeddedPostgres } from '../../../src/embedded/embedded.ts';
import { findServer } from '../../../src/embedded/server.ts';
import { createLogger } from '../../../src/logger.ts';
import { createCable } from '../../helpers/cable.ts';
import { findLastingPort } from '../../helpers/port.ts';
import { until } from '../../helpers/until.ts';
import type { Recorder } from './history.ts';
import { createInstance, type Instance } from './instance.ts';

export interface Cluster {
  /** The database's address, past every cable. */
  readonly url: string;
  readonly instances: readonly Instance[];
  /** The folder of the archive, if its log is cut off. */
  readonly archive: string | undefined;
  /** Stops PostgreSQL in order and starts it again. */
  restart(): Promise<void>;
  /** Ends PostgreSQL without warning; whoever watches over it brings it back. */
  crash(signal: 'SIGQUIT' | 'SIGKILL'): Promise<void>;
  stop(): Promise<void>;
}

// A killed process takes nothing along that it gave to the operating system, so nothing need reach a disk.
const SETTINGS = {
  fsync: 'off',
  full_page_writes: 'off',
  track_commit_timestamp: 'on',
  max_connections: '200',
};

// So short that partitions go all the time.
const RETENTION = { EVENT_RETENTION: '5s', EVENT_PARTITION: '100' };

/** Starts PostgreSQL and `count` instances; resolves when all of them serve. With `retention` they cut the log off, and archive it. */
export async function startCluster(count: number, recorder: Recorder, retention: boolean): Promise<Cluster> {
  const dataDir = await mkdtemp(join(tmpdir(), 'taskwire-chaos-'));
  const logger = createLogger({ level: 'fatal', pretty: false });
  const port = await findLastingPort();
  const postgres = createEmbeddedPostgres({ dataDir, port, settings: SETTINGS, logger });
  await postgres.start();
  const { url } = postgres;
  const archive = retention ? join(dataDir, 'archive') : undefined;
  const settings = archive === undefined ? {} : { ...RETENTION, EVENT_ARCHIVE: archive };
  const instances: Instance[] = [];
  for (let number = 1; number <= count; number++) {
    const cable = await createCable(new URL(url));
    const options = { name: `instance ${number}`, port: await findLastingPort(), databaseUrl: url, settings };
    instances.push(createInstance({ ...options, cable, recorder }));
  }
  for (const instance of instances) instance.start();
  await Promise.all(instances.map(instance => until(() => instance.isReady())));
  return {
    url,
    instances,
    archive,
    restart: async () => {
      await postgres.stop();
      await postgres.start();
    },
    crash: async signal => {
      const server = await findServer(clusterPaths(dataDir).cluster);
      if (server) process.kill(server.pid, signal);
    },
    stop: async () => {
      await Promise.all(instances.map(instance => instance.stop()));
      for (const { cable } of instances) cable.cut();
      await postgres.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
