// REST for a background job: asks for a run, and tells of those there were. The run itself happens elsewhere, on
// whichever instance takes it.
import { setTimeout as pause } from 'node:timers/promises';
import type { Context } from 'koa';
import { z } from 'zod';
import { ServiceError } from '../../errors.ts';
import type { DatabasePool } from '../../postgres/pool.ts';
import { listRuns, queueRun, readOverview, readRun, type StoredRun } from '../../queries/runs.ts';
import { callerOf } from '../../web/access.ts';
import { type Operation, operation } from '../../web/operation.ts';
import { parameter, wholeNumber } from '../../web/query.ts';
import { idOf } from '../input/fields.ts';
import { NoParameters } from '../input/input.ts';
import { PAGE_HEADERS, pageOf, pageParameters, readCursor, sendPage, uuid } from '../input/paging.ts';
import { authorOf } from '../middleware/author.ts';
import { Job, Run } from './run_fields.ts';

interface RunOptions {
  pool: DatabasePool;
  /** What runs: its kind, when it runs (undefined for never by itself), and from where, as every client may see it. */
  of: {
    kind: string;
    cron: string | undefined;
    nextRunAt(now: Date): Date | undefined;
    sources: readonly { name: string; url: string | null }[];
  };
  /** Where the job is told of; its runs are below. */
  path: string;
  /** Aborted when the instance is to stop: those who wait for a run's end are answered. */
  stopping?: AbortSignal | undefined;
  /** Where a run is asked for. */
  requests: readonly string[];
}

const LOOK_EVERY = 250; // ms
const MOST_SECONDS = 30;

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

/** POST to each of the requests' paths; GET the job, its runs, and a run. */
export function createRunOperations(options: RunOptions): Operation[] {
  return [...requestsOf(options), overviewOf(options), listOf(options), showingOf(options)];
}

function requestsOf({ pool, of: { kind }, path, requests, stopping }: RunOptions): Operation[] {
  return requests.map((request, index) =>
    operation({
      id: index === 0 ? `run_${kind}` : `run_${kind}_by_${nameOf(request)}`,
      method: 'post',
      path: request,
      summary: 'Asks for a run; while one is queued or running, that is the one.',
      tag: tagOf(path),
      access: ['generator:run'],
      query: RunQuery,
      answers: {
        200: { description: 'The run, which is over.', schema: Run, headers: LOCATION },
        202: { description: 'The run, which is not over yet.', schema: Run, headers: LOCATION },
      },
      async handle(ctx, { query }) {
        const asked = await queueRun(pool, kind, { origin: 'rest', author: authorOf(ctx) });
        const latest = await waitForEnd(ctx, { pool, kind, asked, stopping, patience: query.wait * 1000 });
        ctx.status = isOver(latest) ? 200 : 202;
        ctx.set('Location', `${path}/runs/${latest.id}`);
        sendJson(ctx, latest.document);
      },
    }),
  );
}

function overviewOf({ pool, of: { kind, cron, nextRunAt, sources }, path }: RunOptions): Operation {
  return operation({
    id: `show_${kind}`,
    method: 'get',
    path,
    summary: 'Shows where it reads from, when, and its last run.',
    tag: tagOf(path),
    access: ['generator:run'],
    query: NoParameters,
    answers: { 200: { description: 'The job.', schema: Job } },
    async handle(ctx) {
      const { last_run, next_run_at } = await readOverview(pool, kind, nextRunAt(new Date()));
      const before = JSON.stringify({ sources, schedule: cron ?? null, next_run_at });
      sendJson(ctx, `${before.slice(0, -1)},"last_run":${last_run}}`);
    },
  });
}

function listOf({ pool, of: { kind }, path }: RunOptions): Operation {
  return operation({
    id: `list_${kind}_runs`,
    method: 'get',
    path: `${path}/runs`,
    summary: 'Lists the runs, newest first.',
    tag: tagOf(path),
    access: ['generator:run'],
    query: z.strictObject(pageParameters),
    answers: { 200: { description: 'A page of runs.', schema: RunPage, headers: PAGE_HEADERS } },
    async handle(ctx, { query: { limit, cursor } }) {
      const after = cursor === undefined ? undefined : readCursor(Keys, cursor)[0];
      // One more than asked for tells whether there is another page.
      const rows = await listRuns(pool, kind, { limit: limit + 1, after });
      sendPage(ctx, { rows, limit, keysOf: row => [row.id] });
    },
  });
}

function showingOf({ pool, of: { kind }, path }: RunOptions): Operation {
  return operation({
    id: `show_${kind}_run`,
    method: 'get',
    path: `${path}/runs/{id}`,
    summary: 'Shows a run.',
    tag: tagOf(path),
    access: ['generator:run'],
    params: z.object({ id: idOf('run') }),
    query: NoParameters,
    answers: { 200: { description: 'The run.', schema: Run } },
    shows: { topic: 'runs', entity: 'run', by_status: true },
    async handle(ctx, { params: { id } }) {
      const found = await readRun(pool, kind, id);
      if (!found) throw new ServiceError('not_found', `there is no run ${id}`);
      sendJson(ctx, found.document);
    },
  });
}

// The first part of a path: /task-generator/runs is of task-generator.
function tagOf(path: string): string {
  return path.split('/')[1] ?? '';
}

function nameOf(path: string): string {
  return path.slice(1).replaceAll(/\W/g, '_');
}

const LOCATION = { Location: 'Its address.' };

interface Wait {
  pool: DatabasePool;
  kind: string;
  asked: StoredRun;
  stopping: AbortSignal | undefined;
  patience: number;
}

// Looks again and again, so that no connection of the pool is held while nothing happens.
async function waitForEnd(ctx: Context, { pool, kind, asked, stopping, patience }: Wait): Promise<StoredRun> {
  const gone = new AbortController();
  const leave = () => gone.abort();
  const signal = stopping ? AbortSignal.any([gone.signal, stopping]) : gone.signal;
  ctx.res.once('close', leave);
  const release = callerOf(ctx.req).whenEnded(leave);
  const end = performance.now() + patience;
  let latest = asked;
  while (!isOver(latest) && performance.now() < end && !signal.aborted) {
    const left = end - performance.now();
    await pause(Math.max(0, Math.min(LOOK_EVERY, left)), undefined, { signal }).catch(() => {});
    if (!signal.aborted) latest = (await readRun(pool, kind, asked.id)) ?? latest;
  }
  ctx.res.off('close', leave);
  release();
  return latest;
}

// A failed attempt that is queued again is never seen failed: both are written in one transaction.
function isOver({ status }: StoredRun): boolean {
  return status === 'succeeded' || status === 'failed';
}

function sendJson(ctx: Context, document: string): void {
  ctx.set('Cache-Control', 'no-cache');
  ctx.type = 'application/json';
  ctx.body = document;
}
