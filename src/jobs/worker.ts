// The background jobs of an instance: asks for runs when they are due, works on them, and looks after those of others.
import type { TaskList } from 'graphile-worker';
import { z } from 'zod';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { DatabasePool } from '../postgres/pool.ts';
import { queueFirstRun, queueRun } from '../queries/runs.ts';
import { settleWithin } from '../within.ts';
import { executeRun } from './execute_run.ts';
import { createJobQueue } from './job_queue.ts';
import type { RunKind } from './run_kind.ts';
import { createSweeper } from './sweeper.ts';

export interface WorkerOptions {
  pool: DatabasePool;
  /** A session-level address: runs hold advisory locks. */
  directUrl: string;
  service: string;
  kinds: readonly RunKind[];
  logger: Logger;
  /** How often dead runs are looked for, in milliseconds. */
  sweepEvery?: number;
}

const QUEUE_RUN = 'queue_run';
const SWEEP_EVERY = 2_000;
const STOP_WITHIN = 3_000; // ms that the sweeper gets; what it waits for may be a database that does not answer

const RunJob = z.object({ run_id: z.string(), attempt: z.number() });
const ScheduleJob = z.object({ kind: z.string() });

/** Builds the worker of an instance; it lives from start() to stop(). */
export function createWorker(options: WorkerOptions): Service {
  const { pool, kinds, logger } = options;
  const stopping = new AbortController();
  const queue = createJobQueue({
    url: options.directUrl,
    service: options.service,
    concurrency: kinds.length + 1, // a run of each kind, and the schedule
    tasks: { ...runTasks(options, stopping.signal), [QUEUE_RUN]: payload => askForRun(pool, payload) },
    schedule: kinds.flatMap(scheduleOf),
    logger,
  });
  const sweeper = createSweeper({
    pool,
    every: options.sweepEvery ?? SWEEP_EVERY,
    waiting: () => queue.nudge(),
    logger,
  });

  return {
    name: 'worker',
    async start() {
      if (stopping.signal.aborted) return;
      await queue.start();
      await sweeper.start();
      for (const { kind, runsFirst } of kinds) if (runsFirst) await queueFirstRun(pool, kind);
    },
    async stop() {
      // The queue first: it must take no more jobs when the run under way is handed back.
      const stopped = queue.stop();
      stopping.abort();
      await Promise.all([stopped, settleWithin(STOP_WITHIN, sweeper.stop())]);
    },
  };
}

// A job never fails: the run tells what became of it, and a run that was not claimed is found by the sweeper.
function runTasks({ kinds, directUrl: url, service, logger }: WorkerOptions, stop: AbortSignal): TaskList {
  const tasks = kinds.map(kind => {
    const task = async (payload: unknown) => {
      const { run_id: id, attempt } = RunJob.parse(payload);
      try {
        await executeRun({ url, service, id, attempt, kind, stop, logger });
      } catch (error) {
        logger.warn({ err: error, run: id, attempt }, 'a run was left as it is');
      }
    };
    return [kind.kind, task] as const;
  });
  return Object.fromEntries(tasks);
}

async function askForRun(pool: DatabasePool, payload: unknown): Promise<void> {
  await queueRun(pool, ScheduleJob.parse(payload).kind, { origin: 'generator' });
}

// What was due while no instance was there is not made up for. One job at a time waits, under a key that the sweeper knows.
function scheduleOf({ kind, cron }: RunKind) {
  if (cron === undefined) return [];
  const options = { backfillPeriod: 0, maxAttempts: 10, jobKey: `schedule:${kind}` };
  return [{ task: QUEUE_RUN, match: cron, identifier: kind, payload: { kind }, options }];
}
