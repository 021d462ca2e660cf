// What the suite torments: a PostgreSQL of its own, instances that reach it over a cable each, and with edges a NATS.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterPaths } from '../../../src/embedded/cluster.ts';
import { createEmbeddedPostgres } from '../../../src/embedded/embedded.ts';
import { findServer } from '../../../src/embedded/server.ts';
import { createLogger } from '../../../src/logger.ts';
import { createCable } from '../../helpers/cable.ts';
import { createTestNats, type TestNats } from '../../helpers/nats_server.ts';
import { findLastingPort } from '../../helpers/port.ts';
import { until } from '../../helpers/until.ts';
import type { Recorder } from './history.ts';
import { createInstance, type Instance } from './instance.ts';

export interface Cluster {
  /** The database's address, past every cable. */
  readonly url: string;
  /** All of them. */
  readonly instances: readonly Instance[];
  /** Those that take requests which change something: not the edges. */
  readonly cores: readonly Instance[];
  /** Where the edges' events come by, if there are any. */
  readonly nats: TestNats | undefined;
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

const EDGE = { ROLE: 'edge', FEED: 'nats' };

// So short that partitions go all the time.
const RETENTION = { EVENT_RETENTION: '5s', EVENT_PARTITION: '100' };

/**
 * Starts PostgreSQL and the instances, and with edges NATS and these; resolves when all of them serve. With `retention` they cut
 * the log off, and archive it.
 */
export async function startCluster(
  { instances: count, edges: edgeCount, retention }: { instances: number; edges: number; retention: boolean },
  recorder: Recorder,
): Promise<Cluster> {
  const dataDir = await mkdtemp(join(tmpdir(), 'taskwire-chaos-'));
  const logger = createLogger({ level: 'fatal', pretty: false });
  const port = await findLastingPort();
  const postgres = createEmbeddedPostgres({ dataDir, port, settings: SETTINGS, logger });
  await postgres.start();
  const { url } = postgres;
  const archive = retention ? join(dataDir, 'archive') : undefined;
  const nats = edgeCount > 0 ? await createTestNats() : undefined;
  const settings = {
    ...(archive !== undefined && { ...RETENTION, EVENT_ARCHIVE: archive }),
    ...(nats && { NATS_URL: nats.url }),
  };
  const make = async (name: string, more: Record<string, string> = {}) => {
    const cable = await createCable(new URL(url));
    const all = { ...settings, ...more };
    const port = await findLastingPort();
    const instance = createInstance({ name, port, databaseUrl: url, settings: all, cable, recorder });
    instance.start();
    return instance;
  };
  const readily = (some: readonly Instance[]) =>
    Promise.all(some.map(instance => until(() => instance.isReady())));
  const cores: Instance[] = [];
  for (let number = 1; number <= count; number++) cores.push(await make(`instance ${number}`));
  await readily(cores); // an edge migrates nothing
  const edges: Instance[] = [];
  for (let number = 1; number <= edgeCount; number++) edges.push(await make(`edge ${number}`, EDGE));
  await readily(edges);
  const instances = [...cores, ...edges];
  return {
    url,
    instances,
    cores,
    nats,
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
      await nats?.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
