// One instance of the service, put together: every part gets what it needs by hand, starts in order, stops in reverse.
import { setTimeout as pause } from 'node:timers/promises';
import { createTokenStore, type TokenStore } from '../access/token_store.ts';
import { type Archive, createArchive } from '../archive/archive.ts';
import type { Config } from '../config.ts';
import { createSocketApp } from '../delivery/app.ts';
import type { FeedEndpoint } from '../delivery/parameters.ts';
import { createPlaces, type Places } from '../delivery/places.ts';
import { createSessions, type Sessions } from '../delivery/sessions.ts';
import { answering } from '../http/app.ts';
import { taskGenerator } from '../jobs/generator/task_generator.ts';
import { currencyRates } from '../jobs/rates/currency_rates.ts';
import type { RunKind } from '../jobs/run_kind.ts';
import { createWorker } from '../jobs/worker.ts';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { createMetrics, type Metrics } from '../metrics/metrics.ts';
import { createAvailability } from '../postgres/availability.ts';
import { isAway } from '../postgres/errors.ts';
import { type DatabasePool, openPool } from '../postgres/pool.ts';
import { explainRefusal } from '../postgres/preflight.ts';
import { prepareSchema, requireSchema } from '../postgres/prepare_schema.ts';
import { cleanStaged, readClosedTables, readRange, type StagedRow } from '../queries/log.ts';
import { noteTokenUse, readTokens } from '../queries/tokens.ts';
import { createReceiver, type Receiver } from '../relay/receiver.ts';
import { createStandby, type Standby } from '../relay/standby.ts';
import { createRetention, type Retention } from '../retention/retention.ts';
import { createSequencer, type Sequencer } from '../sequencer/sequencer.ts';
import { callerOf, OPEN_ACCESS, requirementOf } from '../web/access.ts';
import { addressOf, type ClientOf } from '../web/client.ts';
import { createOrigins } from '../web/origins.ts';
import { createRateLimit, type RateLimit } from '../web/rate_limit.ts';
import { createApi } from './api.ts';
import { createHttpServer } from './http_server.ts';
import { createNatsPart, createSourceMaker } from './nats.ts';
import { type ConnectionLimits, readConnectionLimits } from './open_files.ts';

interface InstanceOptions {
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

const TAKES = ['after', 'log', 'snapshot'] as const;
const ENDPOINTS: Record<string, FeedEndpoint> = {
  '/ws/tasks': { topic: 'tasks', access: requirementOf('tasks'), takes: TAKES },
  '/ws/currencies': { topic: 'currencies', access: requirementOf('currencies'), takes: TAKES },
  '/ws/events': { access: requirementOf(undefined), takes: TAKES },
};
// Of their own, so that no crowd of requests, waiting for a row that a writer locked, holds up the events.
const LOG_CONNECTIONS = 3;
const LOG_TIMEOUT = 10_000; // ms: pages are short, and a client that waits for one is live
const DATABASE_RETRY = 1_000; // ms

/**
 * An instance; start() waits for the database to come, and stop() takes less than ten seconds besides what the settings
 * have it wait for those who send it requests.
 */
export function createInstance(options: InstanceOptions): Instance {
  const { config, logger } = options;
  const availability = createAvailability(logger);
  const origins = createOrigins({
    checksHost: config.auth === 'none',
    host: config.host,
    allowed: config.allowedOrigins,
  });
  // Once, whatever begins again: a counter only rises, and the process's own are watched once.
  const metrics = createMetrics({ hasNats: config.natsUrl !== undefined });
  const limits = readConnectionLimits(config.poolSize);
  const rateLimit = createRateLimitPart(config, metrics);
  const places = createPlacesPart(config, limits, metrics);
  const kinds = createKinds(config);
  const shared = { config, logger, origins, rateLimit, places, availability, answered: metrics.answered };
  const server = createHttpServer({
    ...shared,
    mostConnections: limits.connections,
    refused: () => metrics.limited('connections'),
  });
  const isEdge = config.role === 'edge';
  const started: Service[] = [];
  const stopping = new AbortController();
  let starting: Promise<void> | undefined;

  // It listens once it can work: until then a proxy sends nothing here. Only where it must wait for the database, and
  // every other instance does, it listens before, so that operators and clients are told.
  async function start(): Promise<void> {
    for (let waiting = false; ; waiting = true) {
      try {
        await open();
        if (waiting) logger.info('the database has come');
        return;
      } catch (error) {
        if (!isAway(error) || stopping.signal.aborted) throw error;
        await close(); // what has begun: all of it begins again
        await server.listening.start();
        if (!waiting) logger.warn({ err: error }, 'waiting for the database');
        await pause(DATABASE_RETRY, undefined, { signal: stopping.signal });
      }
    }
  }

  async function open(): Promise<void> {
    const { service, partition } = config;
    const target = { url: options.directUrl, service, logger, signal: stopping.signal };
    if (isEdge) await requireSchema(target);
    const owns = !isEdge && (await prepareSchema({ ...target, partition })).owns;
    // An edge asks for nothing but the log, and a probe.
    const logPool = await connect('log pool', LOG_CONNECTIONS, LOG_TIMEOUT);
    const pool = isEdge ? logPool : await connect('pool', config.poolSize);
    for (const closed of await readClosedTables(pool)) logger.error(closed);
    const tokens = config.auth === 'token' ? createTokens(logPool, logger) : undefined;
    const access = tokens ?? OPEN_ACCESS;
    const standby = config.replicaUrl === undefined ? undefined : await connectStandby(config.replicaUrl);
    const feed = await createFeed({ pool, logPool, standby, tokens, owns }, options, metrics);
    const { sessions, receiver, sequencer, retention } = feed;
    const nats = isEdge ? undefined : await createNatsPart(pool, { ...options, receiver, metrics });
    const jobs = isEdge ? undefined : createJobs(pool, kinds, options);
    for (const service of [tokens, receiver, sequencer, retention, nats, jobs])
      if (service) await begin(service);
    const api = await createApi(pool, {
      ...shared,
      ...feed,
      standby,
      access,
      tokens,
      metrics,
      kinds,
      nats,
      endpoints: ENDPOINTS,
      stopping: stopping.signal,
    });
    const around = answering({ ...shared, allowedOrigins: origins.allowed });
    const sockets = createSocketApp({
      ...shared,
      ...receiver,
      access,
      sessions,
      around,
      endpoints: ENDPOINTS,
    });
    server.serve(api.callback(), sockets.callback());
    // Stopped in reverse: no client that is sent away may come back here, and sockets are not answers.
    for (const service of [server.answers, sessions, server.listening]) await begin(service);
  }

  async function connect(name: string, size: number, statementTimeout?: number): Promise<DatabasePool> {
    const pool = await openPool({
      url: options.databaseUrl,
      service: config.service,
      size,
      role: !config.throughPooler,
      throughPooler: config.throughPooler,
      availability,
      ...(statementTimeout !== undefined && { statementTimeout }),
    });
    started.push({ name, start: async () => {}, stop: () => pool.end() });
    return pool;
  }

  // It need not be there: the primary is.
  async function connectStandby(url: string): Promise<Standby> {
    const pool = await openPool({
      url,
      service: config.service,
      size: LOG_CONNECTIONS,
      role: true,
      maybeStandby: true,
      statementTimeout: LOG_TIMEOUT,
    });
    started.push({ name: 'standby pool', start: async () => {}, stop: () => pool.end() });
    return createStandby(pool, logger);
  }

  async function begin(service: Service): Promise<void> {
    stopping.signal.throwIfAborted();
    started.push(service); // before it has started: a start that fails half-way is stopped as well
    await service.start();
    logger.debug({ service: service.name }, 'started');
  }

  // Readiness says no from now on. A proxy that asks needs a while to notice, and is served meanwhile.
  async function announce(): Promise<void> {
    if (config.stopDelay === 0) return;
    server.drain();
    await pause(config.stopDelay);
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
      return server.address;
    },
    start() {
      starting ??= start().catch((error: unknown) => {
        throw explainRefusal(error, config.service);
      });
      return starting;
    },
    async stop() {
      stopping.abort();
      const serves = await starting?.then(
        () => true,
        () => false, // its caller is told why
      );
      if (serves) await announce();
      await close();
      // Of one that has waited for its database in vain.
      for (const service of [server.listening, server.answers]) await service.stop();
    },
  };
}

// A token is a client wherever it asks from; where none is asked for, an address is.
const clientOf: ClientOf = request => callerOf(request).token?.id ?? addressOf(request);

function createRateLimitPart({ rateLimit: quota }: Config, metrics: Metrics): RateLimit | undefined {
  if (quota === undefined) return undefined;
  return createRateLimit({ quota, clientOf, refused: () => metrics.limited('rate') });
}

const SNAPSHOT_SHARE = 10; // of a client's sockets, how many for each snapshot that may be under way

function createPlacesPart({ socketLimit }: Config, { sockets }: ConnectionLimits, metrics: Metrics): Places {
  return createPlaces({
    most: sockets,
    perClient:
      socketLimit === undefined
        ? undefined
        : { places: socketLimit, snapshots: Math.ceil(socketLimit / SNAPSHOT_SHARE) },
    clientOf,
    refused: metrics.limited,
  });
}

interface Feed {
  receiver: Receiver;
  /** None on an edge. */
  sequencer: Sequencer | undefined;
  /** None where every event is kept. */
  retention: Retention | undefined;
  sessions: Sessions;
}

async function createFeed(
  {
    pool,
    logPool,
    standby,
    tokens,
    owns,
  }: {
    pool: DatabasePool;
    logPool: DatabasePool;
    standby: Standby | undefined;
    tokens: TokenStore | undefined;
    owns: boolean;
  },
  options: InstanceOptions,
  metrics: Metrics,
): Promise<Feed> {
  const { config, directUrl: url, logger } = options;
  const { service } = config;
  const archive = config.archive === undefined ? undefined : createArchive(config.archive);
  let leader: Sequencer | undefined;
  const receiver = await createReceiver({
    archive,
    standby,
    pool: logPool,
    url,
    service,
    logger,
    published: metrics.published,
    vacant: () => leader?.tryNow(),
    tokens: () => tokens?.hear(),
    makeSource: config.role === 'edge' ? await createSourceMaker({ config, logger }) : undefined,
  });
  const sessions = createSessions(logger, { spread: config.stopSpread });
  if (config.role === 'edge') return { receiver, sequencer: undefined, retention: undefined, sessions };
  const sequencer: Sequencer = createSequencer({
    url,
    service,
    doorbell: receiver.doorbell,
    leads: receiver.relay.catchUp,
    numbered: receiver.relay.take,
    clean: after => cleanStaged(logPool, after),
    sequenced: metrics.sequenced,
    rang: metrics.rang,
    logger,
  });
  leader = sequencer;
  const retention = createRetentionPart(pool, { sequencer, archive, config, url, owns, logger });
  return { receiver, sequencer, retention, sessions };
}

function createTokens(pool: DatabasePool, logger: Logger): TokenStore {
  return createTokenStore({
    read: known => readTokens(pool, known),
    note: uses => noteTokenUse(pool, uses),
    logger,
  });
}

function createRetentionPart(
  pool: DatabasePool,
  {
    sequencer,
    archive,
    config,
    url,
    owns,
    logger,
  }: {
    sequencer: Sequencer;
    archive: Archive | undefined;
    config: Config;
    url: string;
    owns: boolean;
    logger: Logger;
  },
): Retention | undefined {
  const { service, retention: seconds } = config;
  if (seconds === undefined) return undefined;
  if (!owns) {
    logger.warn(
      'this login does not own the log, and lets nothing of it go: npm run retention does, as the owner',
    );
    return undefined;
  }
  const isLeading = () => sequencer.leading;
  // On the requests' connections: those of the log are for who listens.
  const clean = (after: StagedRow) => cleanStaged(pool, after);
  const range = (log: string, after: number, through: number) => readRange(pool, log, after, through);
  return createRetention({ url, service, seconds, isLeading, archive, range, clean, logger });
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
