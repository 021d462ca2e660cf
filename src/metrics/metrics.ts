// What an operator sees in Prometheus. Parts know nothing of it: the composition hands each a function to call, and
// tells here what to look at when Prometheus scrapes.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { z } from 'zod';
import { readVersion } from '../version.ts';
import { within } from '../within.ts';
import { createNatsMetrics, type NatsMetrics, type NatsPresent } from './nats_metrics.ts';

/** The present state of the parts, as they hold it themselves. */
export interface Present {
  leading: boolean;
  position: number;
  sockets: number;
  pool: { used: number; idle: number; waiting: number; size: number };
  nats?: NatsPresent | undefined;
}

/** What only the database knows. */
export interface StoredState {
  /** The last position of the log. */
  head: number;
  floor: number;
  /** How long the oldest committed change has waited for its position, in seconds. */
  waiting: number;
  /** How full the server's queue of notifications is, from 0 to 1. */
  queue: number;
  runs: readonly { kind: string; status: string; count: number }[];
}

type Limit = (typeof LIMITS)[number];

export type Metrics = ReturnType<typeof createMetrics>;

const PATIENCE = 2_000; // ms a scrape waits for the database
const LATENCY = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const BATCH = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 10_000, 100_000];
const LIMITS = ['rate', 'sockets', 'snapshots', 'connections'] as const;
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** The metrics of one instance, in a registry of their own; those of NATS only where there is one. */
export function createMetrics({ hasNats }: { hasNats: boolean }) {
  const registers = [new Registry()];
  const [registry] = registers as [Registry];
  collectProcessMetrics(registry);
  const build = new Gauge({
    name: 'taskwire_build_info',
    help: 'Always 1; which version runs, and on which Node',
    labelNames: ['version', 'node'],
    registers,
  });
  build.set({ version: readVersion(), node: process.version }, 1);
  const nats = hasNats ? createNatsMetrics(registry) : undefined;
  const scrape = createScrape(registry, nats);
  return {
    ...createFeedMetrics(registers),
    ...createHttpMetrics(registers),
    ...scrape,
    nats,
    /** Which there are: dashboard and alerts are made of it, and held against it. */
    list: (): Described[] => registry.getMetricsAsArray().map(metric => describe(metric)),
  };
}

/** A metric, and the labels that it has beside those of the scrape. */
export interface Described {
  name: string;
  help: string;
  type: 'gauge' | 'counter' | 'histogram';
  labels: readonly string[];
}

function describe(metric: object): Described {
  if (metric instanceof Gauge) return { ...namesOf(metric), type: 'gauge' };
  if (metric instanceof Counter) return { ...namesOf(metric), type: 'counter' };
  if (metric instanceof Histogram) return { ...namesOf(metric), type: 'histogram' };
  throw new Error('a metric of a kind that nobody here uses');
}

// The package's types leave out what every metric has.
const Names = z.object({ name: z.string(), help: z.string(), labelNames: z.array(z.string()) });

function namesOf(metric: object): Omit<Described, 'type'> {
  const { name, help, labelNames } = Names.parse(metric);
  return { name, help, labels: labelNames };
}

// Those that every Node process has; without three whose names break Prometheus's rules (a gauge that ends in _total) and
// which others tell by type.
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

function collectProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register });
  for (const name of MISNAMED) register.removeSingleMetric(name);
}

function createFeedMetrics(registers: Registry[]) {
  const events = new Counter({
    name: 'taskwire_events_total',
    help: 'Events that this instance gave to its subscriptions, by type',
    labelNames: ['type'],
    registers,
  });
  const latency = new Histogram({
    name: 'taskwire_event_latency_seconds',
    help: "From an event's time, when its change was made, until every live socket was handed it; once per event",
    buckets: LATENCY,
    registers,
  });
  const looks = new Histogram({
    name: 'taskwire_sequencer_look_seconds',
    help: 'Looks of the sequencer for what has committed',
    buckets: LATENCY,
    registers,
  });
  const batches = new Histogram({
    name: 'taskwire_sequencer_batch_events',
    help: 'Events numbered by a look that found some',
    buckets: BATCH,
    registers,
  });
  const rings = new Counter({
    name: 'taskwire_sequencer_rings_total',
    help: 'Times that a writer woke the sequencer',
    registers,
  });
  return {
    /** An event has gone to everybody who is live. The two clocks may differ: never less than nothing. */
    published({ type, time }: { type: string; time: string }): void {
      events.inc({ type });
      latency.observe(Math.max(0, Date.now() - Date.parse(time)) / 1000);
    },
    sequenced(found: number, took: number): void {
      looks.observe(took / 1000);
      if (found > 0) batches.observe(found);
    },
    rang: (): void => rings.inc(),
  };
}

function createHttpMetrics(registers: Registry[]) {
  const requests = new Histogram({
    name: 'taskwire_http_request_seconds',
    help: 'HTTP requests until their answer was ready',
    labelNames: ['method', 'route', 'status'],
    buckets: LATENCY,
    registers,
  });
  const limited = new Counter({
    name: 'taskwire_limited_total',
    help: 'Requests, sockets and snapshots that were refused because there were too many, by the limit',
    labelNames: ['limit'],
    registers,
  });
  for (const limit of LIMITS) limited.inc({ limit }, 0);
  return {
    /** One was refused. */
    limited: (limit: Limit): void => limited.inc({ limit }),
    answered(request: { method: string; route: string; status: number; seconds: number }): void {
      const { method, route, status, seconds } = request;
      requests.observe({ method: METHODS.has(method) ? method : 'other', route, status }, seconds);
    },
  };
}

function createScrape(registry: Registry, nats: NatsMetrics | undefined) {
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers: [registry] });
  const up = gauge('taskwire_database_up', 'Whether the database answered this scrape');
  const head = gauge('taskwire_log_head', 'Last position of the log');
  const floor = gauge('taskwire_log_floor', 'Positions up to this one are no longer in the database');
  const waiting = gauge(
    'taskwire_sequencer_lag_seconds',
    'Age of the oldest committed change without a position',
  );
  const queue = gauge(
    'taskwire_notification_queue_ratio',
    "How full PostgreSQL's queue of notifications is; a full one refuses commits",
  );
  const runs = new Gauge({
    name: 'taskwire_runs',
    help: 'Runs of background jobs, by kind and status',
    labelNames: ['kind', 'status'],
    registers: [registry],
  });
  const leading = gauge('taskwire_sequencer_leader', 'Whether this instance numbers the events');
  const position = gauge('taskwire_relay_position', 'Last position that this instance gave to its sockets');
  const sockets = gauge('taskwire_sockets_open', 'Open WebSockets');
  const used = gauge('taskwire_pool_used_connections', 'Connections of the pool in use');
  const idle = gauge('taskwire_pool_idle_connections', 'Connections of the pool at rest');
  const callers = gauge('taskwire_pool_waiting', 'Callers that wait for a connection of the pool');
  const size = gauge('taskwire_pool_size', 'Most connections that the pool may hold');

  // What is not known is not shown as if it were: NaN, and no runs.
  function showStored(stored: StoredState | undefined): void {
    up.set(stored ? 1 : 0);
    head.set(stored?.head ?? Number.NaN);
    floor.set(stored?.floor ?? Number.NaN);
    waiting.set(stored?.waiting ?? Number.NaN);
    queue.set(stored?.queue ?? Number.NaN);
    runs.reset();
    for (const { kind, status, count } of stored?.runs ?? []) runs.set({ kind, status }, count);
  }

  function showPresent(present: Present): void {
    leading.set(present.leading ? 1 : 0);
    position.set(present.position);
    sockets.set(present.sockets);
    used.set(present.pool.used);
    idle.set(present.pool.idle);
    callers.set(present.pool.waiting);
    size.set(present.pool.size);
  }

  return {
    /** Everything as text, looked at now. */
    async scrape(sources: { present(): Present; stored(): Promise<StoredState> }) {
      const present = sources.present(); // before the scrape itself takes a connection
      showPresent(present);
      const stored = await within(PATIENCE, sources.stored()).catch(() => undefined);
      showStored(stored);
      if (present.nats) nats?.show(present.nats, stored?.head);
      return { type: registry.contentType, text: await registry.metrics() };
    },
  };
}
