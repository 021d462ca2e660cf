// One instance of the service, put together: every part gets what it needs by hand, starts in order, stops in reverse.
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Config } from './config.ts';
import { isAway } from './database/errors.ts';
import { createExclusive } from './database/exclusive.ts';
import { explainRefusal } from './database/fitness.ts';
import { keepRejected, storeRate } from './database/ingest.ts';
import { cleanStaged, readFeedState } from './database/log.ts';
import { type DatabasePool, openPool } from './database/pool.ts';
import { createPresence, type Presence } from './database/presence.ts';
import { countRuns } from './database/runs.ts';
import { createDocsOperations } from './documents/docs_operations.ts';
import { createDocumentOperations } from './documents/document_operations.ts';
import { createReceiver, type Receiver } from './feed/receiver.ts';
import { createSequencer, type Sequencer } from './feed/sequencer.ts';
import { createHttpApp, createWaitingApp, type HttpApp } from './http/app.ts';
import { createCurrencyOperations } from './http/currency_operations.ts';
import { createMetricsOperations } from './http/metrics_operations.ts';
import { createRunOperations } from './http/run_operations.ts';
import { createTaskOperations } from './http/task_operations.ts';
import { createTestOperations } from './http/test_operations.ts';
import { currencyRates } from './jobs/currency_rates.ts';
import type { RunKind } from './jobs/run_kind.ts';
import { taskGenerator } from './jobs/task_generator.ts';
import { createWorker } from './jobs/worker.ts';
import type { Service } from './lifecycle.ts';
import { listening } from './listening.ts';
import type { Logger } from './logger.ts';
import { createMetrics, type Metrics, type Present, type Stored } from './metrics.ts';
import { migrate, readExpectedSchema } from './migrate.ts';
import type { Nats } from './nats/nats.ts';
import { createOrigins, type Origins } from './origins.ts';
import { createReadiness } from './readiness.ts';
import { createSocketApp } from './sockets/app.ts';
import { createEventOperations } from './sockets/event_operations.ts';
import type { Place } from './sockets/parameters.ts';
import { createSessions, type Sessions } from './sockets/sessions.ts';
import { handUpgradesTo, type UpgradeHandler } from './sockets/upgrade.ts';

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

const PLACES: Record<string, Place> = {
  '/ws/tasks': { topic: 'tasks', takes: ['after', 'log', 'snapshot'] },
  '/ws/currencies': { topic: 'currencies', takes: ['after', 'log', 'snapshot'] },
  '/ws/events': { takes: ['after', 'log', 'snapshot'] },
};
const GENERATOR_PATHS = { path: '/task-generator', requests: ['/task-generator/run'] };
const RATES_PATHS = { path: '/currencies/refresh', requests: ['/currencies/refresh', '/tasks/run'] };
// Of their own, so that no crowd of requests, waiting for a row that somebody locked, holds up the events.
const LOG_CONNECTIONS = 3;
const LOG_TIMEOUT = 10_000; // ms: pages are short, and whoever waits for one is live
const DATABASE_RETRY = 1_000; // ms
const REQUEST_TIMEOUT = 30_000; // ms for a request to arrive, its body included

/** An instance; start() waits for the database to come, and stop() takes less than ten seconds. */
export function createInstance(options: InstanceOptions): Instance {
  const { config, logger } = options;
  const presence = createPresence(logger);
  const door = createDoor(options, presence);
  const started: Service[] = [];
  const stopping = new AbortController();
  let starting: Promise<void> | undefined;

  // It listens before anything else, so that whoever asks is told what it waits for.
  async function start(): Promise<void> {
    await door.http.start();
    for (let waiting = false; ; waiting = true) {
      try {
        await open();
        if (waiting) logger.info('the database has come');
        return;
      } catch (error) {
        if (!isAway(error) || stopping.signal.aborted) throw error;
        if (!waiting) logger.warn({ err: error }, 'waiting for the database');
        await close(); // what has begun: all of it begins again
        await pause(DATABASE_RETRY, undefined, { signal: stopping.signal });
      }
    }
  }

  async function open(): Promise<void> {
    await migrate({ url: options.directUrl, service: config.service, logger, signal: stopping.signal });
    const pool = await connect('pool', config.poolSize);
    const logPool = await connect('log pool', LOG_CONNECTIONS, LOG_TIMEOUT);
    const metrics = createMetrics({ hasNats: config.natsUrl !== undefined });
    const feed = await createFeed(logPool, options, metrics);
    const { sessions, receiver, sequencer } = feed;
    const nats = await createBroker(pool, options, { feed, metrics });
    const kinds = createKinds(config);
    const jobs = createJobs(pool, kinds, options);
    for (const service of [receiver, sequencer, ...(nats ? [nats] : []), jobs]) await begin(service);
    const http = await createHttp(pool, options, { feed, kinds, metrics, presence, nats });
    started.push(door.http);
    door.open(http.callback(), createSockets(feed, options).callback());
    await begin(sessions); // last, so that it stops first: its sockets keep the server open
  }

  async function connect(name: string, size: number, statementTimeout?: number): Promise<DatabasePool> {
    const pool = await openPool({
      url: options.databaseUrl,
      service: config.service,
      size,
      role: !config.pooled,
      presence,
      ...(statementTimeout !== undefined && { statementTimeout }),
    });
    started.push({ name, start: async () => {}, stop: () => pool.end() });
    return pool;
  }

  async function begin(service: Service): Promise<void> {
    stopping.signal.throwIfAborted();
    started.push(service); // before it has started: a start that fails half-way is stopped as well
    await service.start();
    logger.debug({ service: service.name }, 'started');
  }

  async function close(): Promise<void> {
    for (let service = started.pop(); service; service = started.pop()) {
      const { name } = service;
      await service
        .stop()
        .catch((error: unknown) => logger.error({ err: error, service: name }, 'did not stop cleanly'));
    }
  }

  return {
    name: 'instance',
    get address() {
      return door.address;
    },
    start() {
      starting ??= start().catch((error: unknown) => {
        throw explainRefusal(error, config.service);
      });
      return starting;
    },
    async stop() {
      stopping.abort();
      await starting?.catch(() => {}); // whoever started it is told
      await close();
      await door.http.stop();
    },
  };
}

interface Door {
  /** Listens from start() to stop(). */
  http: Service;
  /** Serves; until then everything is 503. */
  open(requests: RequestListener, upgrades: UpgradeHandler): void;
  readonly address: string;
}

function createDoor({ config, logger }: InstanceOptions, presence: Presence): Door {
  let requests: RequestListener = createWaitingApp({
    logger,
    origins: originsOf(config),
    presence,
  }).callback();
  let upgrades: UpgradeHandler = refuseUpgrade;
  let address = '';
  const server = createServer(
    { requestTimeout: REQUEST_TIMEOUT, shouldUpgradeCallback: isWebSocket },
    (request, response) => requests(request, response),
  );
  handUpgradesTo((request, response) => upgrades(request, response), server);
  const http = listening(server, config);
  return {
    http: {
      ...http,
      async start() {
        await http.start();
        address = addressOf(server);
      },
    },
    open(forRequests, forUpgrades) {
      requests = forRequests;
      upgrades = forUpgrades;
    },
    get address() {
      return address;
    },
  };
}

async function refuseUpgrade(_: IncomingMessage, response: ServerResponse): Promise<void> {
  response.writeHead(503, { 'Content-Type': 'text/plain', 'Retry-After': '1' });
  response.end('The database is away; try again.\n');
}

interface Feed {
  receiver: Receiver;
  sequencer: Sequencer;
  sessions: Sessions;
}

async function createFeed(pool: DatabasePool, options: InstanceOptions, metrics: Metrics): Promise<Feed> {
  const { config, directUrl: url, logger } = options;
  const { service } = config;
  const receiver = await createReceiver({
    pool,
    url,
    service,
    logger,
    published: metrics.published,
    vacant: () => sequencer.tryNow(),
  });
  const sequencer = createSequencer({
    url,
    service,
    doorbell: receiver.doorbell,
    leads: receiver.relay.catchUp,
    numbered: receiver.relay.take,
    clean: lowerBound => cleanStaged(pool, lowerBound),
    looked: metrics.looked,
    rang: metrics.rang,
    logger,
  });
  return { receiver, sequencer, sessions: createSessions(logger) };
}

function createSockets({ receiver: { hub, log }, sessions }: Feed, { config, logger }: InstanceOptions) {
  return createSocketApp({ hub, log, sessions, places: PLACES, origins: originsOf(config), logger });
}

type Kinds = Readonly<Record<'generator' | 'rates', RunKind>>;

function createKinds(config: Config): Kinds {
  const { taskSources: sources, sourceTokens: tokens, generatorCron, ratesUrl, ratesCron } = config;
  return {
    generator: taskGenerator({ sources, tokens, cron: generatorCron }),
    rates: currencyRates({ url: ratesUrl, cron: ratesCron }),
  };
}

function createJobs(
  pool: DatabasePool,
  kinds: Kinds,
  { config, directUrl, logger }: InstanceOptions,
): Service {
  return createWorker({ pool, directUrl, service: config.service, kinds: Object.values(kinds), logger });
}

interface Parts {
  feed: Feed;
  metrics: Metrics;
  nats: Nats | undefined;
}

async function createBroker(
  pool: DatabasePool,
  { config: { natsUrl, service }, directUrl, logger }: InstanceOptions,
  { feed, metrics }: Omit<Parts, 'nats'>,
): Promise<Nats | undefined> {
  if (natsUrl === undefined) return undefined;
  const { createNats } = await import('./nats/nats.ts'); // a client that others need not load
  const { hub, log } = feed.receiver;
  return createNats({
    url: natsUrl,
    service,
    hub,
    log,
    exclusive: createExclusive({ url: directUrl, service, purpose: 'nats', logger }),
    published: () => metrics.nats?.published(),
    store: rate => storeRate(pool, rate),
    keepRejected: message => keepRejected(pool, message),
    ingested: outcome => metrics.nats?.ingested(outcome),
    logger,
  });
}

async function createHttp(
  pool: DatabasePool,
  { config, logger }: InstanceOptions,
  { feed, kinds, metrics, presence, nats }: Parts & { kinds: Kinds; presence: Presence },
) {
  const { receiver } = feed;
  const readiness = createReadiness({
    ...receiver,
    pool,
    schema: await readExpectedSchema(),
    warnings: () => nats?.state().troubles ?? [],
  });
  const sources = {
    present: () => ({ ...readPresent(pool, config, feed), nats: nats?.state() }),
    stored: () => readStored(pool),
  };
  const operations = [
    ...createTaskOperations({ pool }),
    ...createCurrencyOperations({ pool }),
    ...createRunOperations({ pool, of: kinds.rates, ...RATES_PATHS }),
    ...createRunOperations({ pool, of: kinds.generator, ...GENERATOR_PATHS }),
    ...createEventOperations({ ...receiver, sessions: feed.sessions, logger }),
    ...createMetricsOperations({ scrape: () => metrics.scrape(sources) }),
    ...createDocumentOperations({ operations: () => app.operations, places: PLACES }),
    ...createDocsOperations(),
    ...createTestOperations({ production: config.production, publishRate: nats?.publishRate }),
  ];
  const app: HttpApp = createHttpApp({
    logger,
    origins: originsOf(config),
    operations,
    readiness,
    presence,
    answered: metrics.answered,
  });
  return app;
}

function readPresent(
  pool: DatabasePool,
  { poolSize }: Config,
  { receiver: { hub }, sequencer, sessions }: Feed,
): Present {
  const { acquiredConnections: used, idleConnections: idle, waitingClients: waiting } = pool.state();
  return {
    leading: sequencer.leading,
    position: hub.position,
    sockets: sessions.count,
    pool: { used, idle, waiting, size: poolSize },
  };
}

async function readStored(pool: DatabasePool): Promise<Stored> {
  const [{ head, waiting }, runs] = await Promise.all([readFeedState(pool), countRuns(pool)]);
  return { head, waiting: Math.max(0, waiting ?? 0), runs };
}

function originsOf({ loopback, allowedOrigins: allowed }: Config): Origins {
  return createOrigins({ loopback, allowed });
}

// Other upgrades, such as curl's and Java's to HTTP/2, may be ignored (RFC 9110, section 7.8): the request is answered.
function isWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket';
}

function addressOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
