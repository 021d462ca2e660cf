// REST for the task generator: asks for a run, and tells of those there were. The run itself happens elsewhere, on
// whichever instance takes it.
import { setTimeout as pause } from 'node:timers/promises';
import type { Context } from 'koa';
import { z } from 'zod';
import type { DatabasePool } from '../database/pool.ts';
import { listRuns, queueRun, readOverview, readRun, type StoredRun } from '../database/runs.ts';
import { ServiceError } from '../errors.ts';
import { type Operation, operation } from '../operation.ts';
import { parameter, wholeNumber } from '../query.ts';
import { idOf } from './fields.ts';
import { createSchedule } from './generator_schedule.ts';
import { NoParameters } from './input.ts';
import { PAGE_HEADERS, pageOf, pageParameters, readCursor, sendPage, uuid } from './paging.ts';
import { requestIdOf } from './request_id.ts';
import { GeneratorOverview, Run } from './run_fields.ts';

export interface GeneratorOptions {
  pool: DatabasePool;
  /** As anybody may see them: no credentials. */
  sources: readonly { name: string; url: string | null }[];
  /** When it runs; undefined for never by itself. */
  cron: string | undefined;
}

const KIND = 'task_generator';
const LOOK_EVERY = 250; // ms
const MOST_SECONDS = 30;

const TAG = 'task-generator';
const wait = wholeNumber({
  from: 0,
  to: MOST_SECONDS,
  digits: 2,
  error: `must be a number of seconds from 0 to ${MOST_SECONDS}`,
});
const RunQuery = z.strictObject({
  wait: parameter(wait).default(0).meta({ description: 'How many seconds to wait for its end.', default: 0 }),
});
const RunPage = pageOf('RunPage', Run);
const Keys = z.tuple([uuid]);

/** POST /task-generator/run; GET /task-generator, /task-generator/runs and /task-generator/runs/{id}. */
export function createGeneratorOperations({ pool, sources, cron }: GeneratorOptions): Operation[] {
  const nextRun = createSchedule(cron);
  return [
    operation({
      id: 'run_task_generator',
      method: 'post',
      path: '/task-generator/run',
      summary: 'Asks for a run; while one is queued or running, that is the one.',
      tag: TAG,
      query: RunQuery,
      answers: {
        200: { description: 'The run, which is over.', schema: Run, headers: LOCATION },
        202: { description: 'The run, which is not over yet.', schema: Run, headers: LOCATION },
      },
      handle: (ctx, { query }) => run(ctx, pool, query.wait),
    }),
    operation({
      id: 'show_task_generator',
      method: 'get',
      path: '/task-generator',
      summary: 'Shows where it reads from, when, and its last run.',
      tag: TAG,
      query: NoParameters,
      answers: { 200: { description: 'The task generator.', schema: GeneratorOverview } },
      async handle(ctx) {
        const { last_run, next_run_at } = await readOverview(pool, KIND, nextRun(new Date()));
        const before = JSON.stringify({ sources, schedule: cron ?? null, next_run_at });
        sendJson(ctx, `${before.slice(0, -1)},"last_run":${last_run}}`);
      },
    }),
    operation({
      id: 'list_task_generator_runs',
      method: 'get',
      path: '/task-generator/runs',
      summary: 'Lists the runs, newest first.',
      tag: TAG,
      query: z.strictObject(pageParameters),
      answers: { 200: { description: 'A page of runs.', schema: RunPage, headers: PAGE_HEADERS } },
      handle: (ctx, { query }) => list(ctx, pool, query),
    }),
    operation({
      id: 'show_task_generator_run',
      method: 'get',
      path: '/task-generator/runs/{id}',
      summary: 'Shows a run.',
      tag: TAG,
      params: z.object({ id: idOf('run') }),
      query: NoParameters,
      answers: { 200: { description: 'The run.', schema: Run } },
      async handle(ctx, { params: { id } }) {
        const found = await readRun(pool, KIND, id);
        if (!found) throw new ServiceError('not_found', `there is no run ${id}`);
        sendJson(ctx, found.document);
      },
    }),
  ];
}

const LOCATION = { Location: 'Its address.' };

async function run(ctx: Context, pool: DatabasePool, wait: number): Promise<void> {
  const asker = { origin: 'rest', requestId: requestIdOf(ctx) } as const;
  const asked = await queueRun(pool, KIND, asker);
  const latest = await waitForEnd(ctx, pool, asked, wait * 1000);
  ctx.status = isOver(latest) ? 200 : 202;
  ctx.set('Location', `/task-generator/runs/${latest.id}`);
  sendJson(ctx, latest.document);
}

// Looks again and again, so that no connection of the pool is held while nothing happens.
async function waitForEnd(
  ctx: Context,
  pool: DatabasePool,
  asked: StoredRun,
  patience: number,
): Promise<StoredRun> {
  const gone = new AbortController();
  const leave = () => gone.abort();
  ctx.res.once('close', leave);
  const end = performance.now() + patience;
  let latest = asked;
  while (!isOver(latest) && performance.now() < end && !gone.signal.aborted) {
    const left = end - performance.now();
    await pause(Math.max(0, Math.min(LOOK_EVERY, left)), undefined, { signal: gone.signal }).catch(() => {});
    if (!gone.signal.aborted) latest = (await readRun(pool, KIND, asked.id)) ?? latest;
  }
  ctx.res.off('close', leave);
  return latest;
}

// A failed attempt that is queued again is never seen failed: both are written in one transaction.
function isOver({ status }: StoredRun): boolean {
  return status === 'succeeded' || status === 'failed';
}

async function list(
  ctx: Context,
  pool: DatabasePool,
  { limit, cursor }: { limit: number; cursor?: string | undefined },
): Promise<void> {
  const after = cursor === undefined ? undefined : readCursor(Keys, cursor)[0];
  // One more than asked for tells whether there is another page.
  const rows = await listRuns(pool, KIND, { limit: limit + 1, after });
  sendPage(ctx, { rows, limit, keysOf: row => [row.id] });
}

function sendJson(ctx: Context, document: string): void {
  ctx.set('Cache-Control', 'no-cache');
  ctx.type = 'application/json';
  ctx.body = document;
}
