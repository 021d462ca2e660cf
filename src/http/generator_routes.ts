// REST for the task generator: asks for a run, and tells of those there were. The run itself happens elsewhere, on
// whichever instance takes it.
import { setTimeout as pause } from 'node:timers/promises';
import { Router } from '@koa/router';
import type { Context } from 'koa';
import { z } from 'zod';
import type { DatabasePool } from '../database/pool.ts';
import { listRuns, queueRun, readOverview, readRun, type StoredRun } from '../database/runs.ts';
import { ServiceError } from '../errors.ts';
import { UUID } from './fields.ts';
import { createSchedule } from './generator_schedule.ts';
import { checkQuery } from './input.ts';
import { pageParameters, parameter, readCursor, sendPage } from './paging.ts';
import { requestIdOf } from './request_id.ts';

export interface GeneratorRouterOptions {
  pool: DatabasePool;
  /** As anybody may see them: no credentials. */
  sources: readonly { name: string; url: string | null }[];
  /** When it runs; undefined for never by itself. */
  cron: string | undefined;
}

const KIND = 'task_generator';
const LOOK_EVERY = 250; // ms
const MOST_SECONDS = 30;

const seconds = z
  .string()
  .regex(/^\d{1,2}$/, { error: `must be a number of seconds from 0 to ${MOST_SECONDS}`, abort: true })
  .transform(Number)
  .refine(value => value <= MOST_SECONDS, { error: `must be a number of seconds from 0 to ${MOST_SECONDS}` });
const RunQuery = z.strictObject({ wait: parameter(seconds).default(0) });
const ListQuery = z.strictObject(pageParameters);
const NoQuery = z.strictObject({});
const Keys = z.tuple([z.string().regex(UUID)]);

/** POST /task-generator/run; GET /task-generator, /task-generator/runs and /task-generator/runs/{id}. */
export function createGeneratorRouter({ pool, sources, cron }: GeneratorRouterOptions): Router {
  const nextRun = createSchedule(cron);
  const router = new Router();
  router.post('/task-generator/run', ctx => run(ctx, pool));
  router.get('/task-generator', async ctx => {
    checkQuery(NoQuery, ctx);
    const { last_run, next_run_at } = await readOverview(pool, KIND, nextRun(new Date()));
    const before = JSON.stringify({ sources, schedule: cron ?? null, next_run_at });
    sendJson(ctx, `${before.slice(0, -1)},"last_run":${last_run}}`);
  });
  router.get('/task-generator/runs', ctx => list(ctx, pool));
  router.get('/task-generator/runs/:id', ctx => show(ctx, pool));
  return router;
}

async function run(ctx: Context, pool: DatabasePool): Promise<void> {
  const { wait } = checkQuery(RunQuery, ctx);
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

async function list(ctx: Context, pool: DatabasePool): Promise<void> {
  const { limit, cursor } = checkQuery(ListQuery, ctx);
  const after = cursor === undefined ? undefined : readCursor(Keys, cursor)[0];
  // One more than asked for tells whether there is another page.
  const rows = await listRuns(pool, KIND, { limit: limit + 1, after });
  sendPage(ctx, { rows, limit, keysOf: row => [row.id] });
}

async function show(ctx: Context, pool: DatabasePool): Promise<void> {
  const id = String(ctx.params.id);
  const found = UUID.test(id) ? await readRun(pool, KIND, id) : null;
  if (!found) throw new ServiceError('not_found', `there is no run ${id}`);
  checkQuery(NoQuery, ctx);
  sendJson(ctx, found.document);
}

function sendJson(ctx: Context, document: string): void {
  ctx.set('Cache-Control', 'no-cache');
  ctx.type = 'application/json';
  ctx.body = document;
}
