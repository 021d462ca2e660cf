// graphile-worker, kept running: its jobs, its schedule, and a new one in its place when it gives itself up.
import { EventEmitter } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import {
  type CronItem,
  Logger as GraphileLogger,
  parseCronItems,
  type Runner,
  run,
  type TaskList,
  type WorkerEvents,
  type WorkerPool,
} from 'graphile-worker';
import type pg from 'pg';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { schemasOf } from '../postgres/names.ts';
import { openSessionPool } from '../postgres/session.ts';
import { settleWithin } from '../within.ts';

interface JobQueueOptions {
  /** A session-level address: it LISTENs. */
  url: string;
  service: string;
  /** How many jobs run at a time. */
  concurrency: number;
  tasks: TaskList;
  schedule: CronItem[];
  logger: Logger;
}

/** The worker of this instance. */
interface JobQueue extends Service {
  /** Makes it look for jobs now. */
  nudge(): void;
}

const POLL_EVERY = 10 * 60_000; // ms; it hears of jobs, and where it does not it is nudged
const RESTART_AFTER = 1_000;
const STOP_WITHIN = 4_000;
const END_WITHIN = 1_000; // its connections, which are at rest by then

/** Builds the worker; it lives from start() to stop(). */
export function createJobQueue(options: JobQueueOptions): JobQueue {
  const stopping = new AbortController();
  let pool: pg.Pool | undefined;
  let runner: Runner | undefined;
  let workers: WorkerPool | undefined;
  let supervision: Promise<void> | undefined;

  async function begin(on: pg.Pool): Promise<Runner> {
    const events: WorkerEvents = new EventEmitter();
    events.on('pool:create', ({ workerPool }) => {
      workers = workerPool;
    });
    events.on('pool:gracefulShutdown', () => {
      workers = undefined; // one that ends must not be nudged
    });
    runner = await run(workerOptions(options, on, events));
    return runner;
  }

  // It ends itself when it cannot say that a job is done, such as while the database is away.
  async function supervise(on: pg.Pool, first: Runner | undefined): Promise<void> {
    let current = first;
    while (!stopping.signal.aborted) {
      await current?.promise.catch((error: unknown) =>
        options.logger.warn({ err: error }, 'the worker failed'),
      );
      if (stopping.signal.aborted) return;
      await pause(RESTART_AFTER, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return;
      current = await begin(on).catch((error: unknown) => {
        options.logger.debug({ err: error }, 'the worker could not be started again yet');
        return undefined;
      });
    }
    await current?.stop();
  }

  return {
    name: 'job queue',
    async start() {
      pool = openPool(options);
      // A connection that is lost in this moment is no reason not to start: it is tried again.
      const first = await begin(pool).catch((error: unknown) => {
        options.logger.warn({ err: error }, 'the worker could not be started, and is tried again');
        return undefined;
      });
      supervision = supervise(pool, first);
    },
    nudge() {
      if (!stopping.signal.aborted) workers?.nudge(options.concurrency);
    },
    async stop() {
      stopping.abort();
      // Refused if it has stopped already. What it waits for may be a database that does not answer.
      const stopped = runner?.stop().catch(() => {});
      await settleWithin(STOP_WITHIN, Promise.all([stopped, supervision]));
      const ended = pool?.end();
      pool = undefined;
      await settleWithin(END_WITHIN, ended);
    },
  };
}

function openPool({ url, service, concurrency, logger }: JobQueueOptions): pg.Pool {
  const pool = openSessionPool({ url, service, name: 'jobs' }, concurrency + 2);
  // Both: the first is for connections at rest, the second for those in use.
  pool.on('error', error => logger.debug({ err: error }, 'a connection of the job queue was lost'));
  pool.on('connect', client => {
    client.on('error', error => logger.debug({ err: error }, 'a connection of the job queue was lost'));
  });
  return pool;
}

function workerOptions(
  { service, concurrency, tasks, schedule, logger }: JobQueueOptions,
  pgPool: pg.Pool,
  events: WorkerEvents,
) {
  return {
    pgPool,
    events,
    concurrency,
    taskList: tasks,
    parsedCronItems: parseCronItems(schedule),
    noHandleSignals: true,
    schema: schemasOf(service).jobs, // not what GRAPHILE_WORKER_SCHEMA says: sql/ names it too
    pollInterval: POLL_EVERY,
    logger: bridge(logger),
    // Otherwise stop() is done before the completion of the last job is written, and a failure to write it is thrown
    // at no listener.
    preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
  };
}

// What it has to tell is for its developers; what it cannot cope with is for the operator.
function bridge(logger: Logger): GraphileLogger {
  const levels = { error: 'warn', warning: 'warn', info: 'debug', debug: 'trace' } as const;
  return new GraphileLogger(() => (level, message) => logger[levels[level]](`job queue: ${message}`));
}
