// One instance of the service, put together: every part gets what it needs by hand, starts in order, stops in reverse.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Config } from './config.ts';
import { isAway } from './database/errors.ts';
import { cleanStaged, readAfter, readChannels, readFeedState, readHead } from './database/log.ts';
import { type DatabasePool, openPool } from './database/pool.ts';
import { countRuns } from './database/runs.ts';
import { createHub, type Hub } from './feed/hub.ts';
import { createListener } from './feed/listener.ts';
import { createRelay, type Relay } from './feed/relay.ts';
import { createSequencer } from './feed/sequencer.ts';
import type { Log } from './feed/subscription.ts';
import { createHttpApp } from './http/app.ts';
import { createGeneratorRouter } from './http/generator_routes.ts';
import { createMetricsRouter } from './http/metrics_routes.ts';
import { createTaskRouter } from './http/task_routes.ts';
import { describeSources } from './jobs/sources/adapters.ts';
import { createWorker } from './jobs/worker.ts';
import type { Service } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import { createMetrics, type Metrics, type Present, type Stored } from './metrics.ts';
import { migrate, readExpectedSchema } from './migrate.ts';
import { createReadiness } from './readiness.ts';
import { createSocketApp, type SocketApp } from './sockets/app.ts';
import { handUpgradesTo } from './sockets/upgrade.ts';

export interface InstanceOptions {
  config: Config;
  /** The addresses in use: the configured ones, or the embedded server's. */
  databaseUrl: string;
  directUrl: string;
  logger: Logger;
}

/** The instance as a whole, and where it listens once it has started. */
export interface Instance extends Service {
  readonly address: string;
}

const TOPICS = { '/ws/tasks': 'tasks' };
// Of their own, so that no crowd of requests, waiting for a row that somebody locked, holds up the events.
const LOG_CONNECTIONS = 3;
const DATABASE_RETRY = 1_000; // ms
const REQUEST_TIMEOUT = 30_000; // ms for a request to arrive, its body included

/** An instance; start() waits for the database to come, and stop() takes less than ten seconds. */
export function createInstance(options: InstanceOptions): Instance {
  const { config, logger } = options;
  const started: Service[] = [];
  const stopping = new AbortController();
  let address = '';
  let starting: Promise<void> | undefined;

  async function start(): Promise<void> {
    const pool = await connect(options, stopping.signal, () => open('pool', config.poolSize));
    const logPool = await open('log pool', LOG_CONNECTIONS);
    const metrics = createMetrics();
    const feed = await createFeed(logPool, options, metrics);
    const { sockets, relay, listener, sequencer } = feed;
    for (const service of [relay, listener, sequencer, createJobs(pool, options)]) await begin(service);
    const http = await createHttp(pool, options, feed, metrics);
    const server = createServer(
      { requestTimeout: REQUEST_TIMEOUT, shouldUpgradeCallback: isWebSocket },
      http.callback(),
    );
    handUpgradesTo(sockets.app.callback(), server);
    await begin(listening(server, config));
    await begin(sockets); // last, so that it stops first: its sockets keep the server open
    address = addressOf(server);
  }

  async function open(name: string, size: number): Promise<DatabasePool> {
    const pool = await openPool({ url: options.databaseUrl, size, role: !config.pooled });
    started.push({ name, start: async () => {}, stop: () => pool.end() });
    return pool;
  }

  async function begin(service: Service): Promise<void> {
    stopping.signal.throwIfAborted();
    started.push(service); // before it has started: a start that fails half-way is stopped as well
    await service.start();
    logger.debug({ service: service.name }, 'started');
  }

  return {
    name: 'instance',
    get address() {
      return address;
    },
    start() {
      starting ??= start();
      return starting;
    },
    async stop() {
      stopping.abort();
      await starting?.catch(() => {}); // whoever started it is told
      for (let service = started.pop(); service; service = started.pop()) {
        const { name } = service;
        await service
          .stop()
          .catch((error: unknown) => logger.error({ err: error, service: name }, 'did not stop cleanly'));
      }
    },
  };
}

// Migrates and opens the pool, for as long as it takes the database to come.
async function connect(
  { directUrl, logger }: InstanceOptions,
  signal: AbortSignal,
  open: () => Promise<DatabasePool>,
): Promise<DatabasePool> {
  for (let waiting = false; ; waiting = true) {
    try {
      await migrate({ url: directUrl, logger });
      const pool = await open();
      if (waiting) logger.info('the database has come');
      return pool;
    } catch (error) {
      if (!isAway(error) || signal.aborted) throw error;
      if (!waiting) logger.warn({ err: error }, 'waiting for the database');
      await pause(DATABASE_RETRY, undefined, { signal });
    }
  }
}

interface Feed {
  hub: Hub;
  relay: Relay;
  listener: ReturnType<typeof createListener>;
  sequencer: ReturnType<typeof createSequencer>;
  sockets: SocketApp;
}

async function createFeed(pool: DatabasePool, options: InstanceOptions, metrics: Metrics): Promise<Feed> {
  const { config, directUrl, logger } = options;
  const log: Log = {
    head: () => readHead(pool),
    after: (position, limit) => readAfter(pool, position, limit),
  };
  const [channels, head] = await Promise.all([readChannels(pool), log.head()]);
  const hub: Hub = createHub(head.log, head.head, metrics.published);
  const relay = createRelay({ log, hub, logger });
  const listener = createListener({
    url: directUrl,
    channel: channels.events,
    heard: relay.hear,
    missed: relay.catchUp,
    logger,
  });
  const sequencer = createSequencer({
    url: directUrl,
    doorbell: channels.doorbell,
    numbered: relay.take,
    clean: lowerBound => cleanStaged(pool, lowerBound),
    looked: metrics.looked,
    rang: metrics.rang,
    logger,
  });
  const sockets = createSocketApp({
    hub,
    log,
    topics: TOPICS,
    allowedOrigins: config.allowedOrigins,
    logger,
  });
  return { hub, relay, listener, sequencer, sockets };
}

function createJobs(pool: DatabasePool, { config, directUrl, logger }: InstanceOptions): Service {
  return createWorker({
    pool,
    directUrl,
    sources: config.taskSources,
    tokens: config.sourceTokens,
    cron: config.generatorCron,
    logger,
  });
}

async function createHttp(
  pool: DatabasePool,
  { config, logger }: InstanceOptions,
  feed: Feed,
  metrics: Metrics,
) {
  const readiness = createReadiness({ ...feed, pool, schema: await readExpectedSchema() });
  const sources = {
    present: () => readPresent(pool, config, feed),
    stored: () => readStored(pool),
  };
  const routers = [
    createTaskRouter({ pool }),
    createGeneratorRouter({ pool, sources: describeSources(config.taskSources), cron: config.generatorCron }),
    createMetricsRouter({ scrape: () => metrics.scrape(sources) }),
  ];
  return createHttpApp({ pool, logger, routers, readiness, answered: metrics.answered });
}

function readPresent(pool: DatabasePool, { poolSize }: Config, { hub, sequencer, sockets }: Feed): Present {
  const { acquiredConnections: used, idleConnections: idle, waitingClients: waiting } = pool.state();
  return {
    leading: sequencer.leading,
    position: hub.position,
    sockets: sockets.count,
    pool: { used, idle, waiting, size: poolSize },
  };
}

async function readStored(pool: DatabasePool): Promise<Stored> {
  const [{ head, waiting }, runs] = await Promise.all([readFeedState(pool), countRuns(pool)]);
  return { head, waiting: Math.max(0, waiting ?? 0), runs };
}

function listening(server: Server, { host, port }: Config): Service {
  return {
    name: 'http',
    start: () =>
      new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, host, () => {
          server.off('error', reject);
          resolve();
        });
      }),
    stop: () =>
      new Promise(resolve => {
        const cut = setTimeout(() => server.closeAllConnections(), 3_000);
        server.close(() => {
          clearTimeout(cut);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

// Other upgrades, such as curl's and Java's to HTTP/2, may be ignored (RFC 9110, section 7.8): the request is answered.
function isWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket';
}

function addressOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
