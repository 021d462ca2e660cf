// What an instance serves over HTTP: the operations of every part, what readiness asks for, and what a scrape looks at.

import type { TokenStore } from '../access/token_store.ts';
import { createClientOperations } from '../api_docs/client_operations.ts';
import { createDocsOperations } from '../api_docs/docs_operations.ts';
import { createDocumentOperations } from '../api_docs/document_operations.ts';
import type { Config } from '../config.ts';
import { createStreamOperations } from '../delivery/durable_streams.ts';
import { createEventOperations } from '../delivery/event_operations.ts';
import type { FeedEndpoint } from '../delivery/parameters.ts';
import type { Places } from '../delivery/places.ts';
import type { Sessions } from '../delivery/sessions.ts';
import { createHttpApp, type HttpApp } from '../http/app.ts';
import { createCurrencyOperations } from '../http/currencies/currency_operations.ts';
import { answerNotFound } from '../http/middleware/not_found.ts';
import type { Lanes } from '../http/resources/resource.ts';
import { createRunOperations } from '../http/runs/run_operations.ts';
import { createAccessOperations } from '../http/system/access_operations.ts';
import { createMetricsOperations } from '../http/system/metrics_operations.ts';
import { createTestOperations } from '../http/system/test_operations.ts';
import { createTaskOperations } from '../http/tasks/task_operations.ts';
import type { RunKind } from '../jobs/run_kind.ts';
import type { Logger } from '../logger.ts';
import type { Metrics, Present, StoredState } from '../metrics/metrics.ts';
import type { Nats } from '../nats/nats.ts';
import type { Availability } from '../postgres/availability.ts';
import { readProgramSchema } from '../postgres/migrate.ts';
import { type DatabasePool, laneOf } from '../postgres/pool.ts';
import { readFeedState } from '../queries/log.ts';
import { countRuns } from '../queries/runs.ts';
import type { Receiver } from '../relay/receiver.ts';
import type { Standby } from '../relay/standby.ts';
import type { Retention } from '../retention/retention.ts';
import { type Finding, findings } from '../runbook.ts';
import type { Sequencer } from '../sequencer/sequencer.ts';
import { createPageOperations } from '../site/page_operations.ts';
import type { Access } from '../web/access.ts';
import type { Operation } from '../web/operation.ts';
import type { Origins } from '../web/origins.ts';
import type { RateLimit } from '../web/rate_limit.ts';
import { createReadiness } from './readiness.ts';

const GENERATOR_PATHS = { path: '/task-generator', requests: ['/task-generator/run'] };
// An edge, as far as NATS goes.
const ONLY_HEARS = { leading: false, needsOperator: false, position: undefined };
const EDGE = ': this instance is an edge, which serves sockets and events and nothing else';
const RATES_PATHS = { path: '/currencies/refresh', requests: ['/currencies/refresh', '/tasks/run'] };

/** The parts of an instance that are asked. */
interface ApiOptions {
  config: Config;
  logger: Logger;
  origins: Origins;
  access: Access;
  /** Where a token is asked for. */
  tokens: TokenStore | undefined;
  /** How much a client may ask for; without it as much as it likes. */
  rateLimit: RateLimit | undefined;
  availability: Availability;
  metrics: Metrics;
  receiver: Receiver;
  /** None on an edge. */
  sequencer: Sequencer | undefined;
  retention: Retention | undefined;
  sessions: Sessions;
  places: Places;
  kinds: Readonly<Record<'generator' | 'rates', RunKind>>;
  nats: Nats | undefined;
  /** What is asked for the past. */
  standby: Standby | undefined;
  /** Aborted when the instance is to stop. */
  stopping: AbortSignal;
  /** The WebSockets, for the documents. */
  endpoints: Readonly<Record<string, FeedEndpoint>>;
}

/** The HTTP side of an instance, on a pool. */
export async function createApi(pool: DatabasePool, options: ApiOptions): Promise<HttpApp> {
  const {
    config,
    logger,
    origins,
    access,
    tokens,
    rateLimit,
    availability,
    metrics,
    receiver,
    sequencer,
    retention,
    sessions,
    places,
    nats,
    standby,
    endpoints,
    stopping,
  } = options;
  const readiness = createReadiness({
    ...receiver,
    pool,
    availability,
    sequencer,
    schema: await readProgramSchema(),
    stopping,
    obstacles: () => findings('the-tokens-cannot-be-read', [tokens?.obstacle]),
    warnings: () => [
      ...findingsOfNats(nats),
      ...findings('retention-lets-nothing-go', retention?.obstacles ?? []),
      ...findings('nats-is-away', receiver.source.warnings),
      ...findings('the-standby-does-not-answer', standby?.warnings ?? []),
      ...findings('a-stranger-holds-a-lock', [sequencer?.disturbance]),
    ],
  });
  const sources = {
    present: () => ({
      ...readPresent(pool, options),
      nats: nats?.state() ?? { ...ONLY_HEARS, connected: receiver.source.warnings.length === 0 },
    }),
    stored: () => readStored(pool),
  };
  const rest = config.role === 'edge' ? [] : createRestOperations(pool, options);
  const operations = [
    ...rest,
    ...createEventOperations({ ...receiver, sessions, places, logger }),
    ...createStreamOperations({ ...receiver, sessions, places }),
    ...createAccessOperations(),
    ...createMetricsOperations({ scrape: () => metrics.scrape(sources) }),
    ...createDocumentOperations({
      operations: () => app.operations,
      endpoints,
      asksForToken: access.isAsked,
    }),
    ...createDocsOperations(),
    ...createClientOperations(),
  ];
  const { answered } = metrics;
  const app: HttpApp = createHttpApp({
    logger,
    origins,
    access,
    rateLimit,
    operations,
    readiness,
    availability,
    answered,
    otherwise: config.role === 'edge' ? answerNotFound(EDGE) : undefined,
  });
  return app;
}

function findingsOfNats(nats: Nats | undefined): Finding[] {
  if (nats === undefined) return [];
  const { needsOperator, incidents } = nats.state();
  return findings(needsOperator ? 'nats-waits-for-a-person' : 'nats-is-away', incidents);
}

// What may change data, and what asks for more of the database than events.
function createRestOperations(
  pool: DatabasePool,
  { config, kinds, nats, receiver: { hub }, standby, stopping }: ApiOptions,
): Operation[] {
  const { poolSize, production } = config;
  const lanes: Lanes = {
    searches: laneOf(pool, { poolSize, of: 'searches and histories' }),
    lists: laneOf(pool, { poolSize, of: 'lists with filters' }),
    batches: laneOf(pool, { poolSize, of: 'batches' }),
    changes: laneOf(pool, { poolSize, of: 'changes and deletions', share: 2 / 3 }),
    ...(standby && {
      past: <Result>(
        position: number,
        ask: (pool: DatabasePool) => Promise<Result>,
        otherwise: () => Promise<Result>,
      ) => standby.ask({ log: hub.log, position }, ask, otherwise),
    }),
  };
  return [
    ...createTaskOperations({ pool, lanes }),
    ...createCurrencyOperations({ pool, lanes }),
    ...createRunOperations({ pool, of: kinds.rates, stopping, ...RATES_PATHS }),
    ...createRunOperations({ pool, of: kinds.generator, stopping, ...GENERATOR_PATHS }),
    ...createPageOperations(),
    ...createTestOperations({ production, publishRate: nats?.publishRate }),
  ];
}

function readPresent(
  pool: DatabasePool,
  { config: { poolSize }, receiver: { hub }, sequencer, sessions }: ApiOptions,
): Present {
  const { acquiredConnections: used, idleConnections: idle, waitingClients: waiting } = pool.state();
  return {
    leading: sequencer?.leading ?? false,
    position: hub.position,
    sockets: sessions.count,
    pool: { used, idle, waiting, size: poolSize },
  };
}

async function readStored(pool: DatabasePool): Promise<StoredState> {
  const [{ head, floor, waiting, queue }, runs] = await Promise.all([readFeedState(pool), countRuns(pool)]);
  return { head, floor, waiting: Math.max(0, waiting ?? 0), queue, runs };
}
