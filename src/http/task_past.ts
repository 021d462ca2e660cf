// What tasks were: one or the list as of a moment, and the history of one. All of it comes out of the log.
import { setTimeout as pause } from 'node:timers/promises';
import type { Context } from 'koa';
import { z } from 'zod';
import {
  type Entity,
  isNumbered,
  listPast,
  readHistory,
  readPast,
  readPending,
} from '../database/history.ts';
import type { DatabasePool } from '../database/pool.ts';
import { ServiceError } from '../errors.ts';
import { toEvent } from '../events.ts';
import { moment } from '../moment.ts';
import { type AsOf, resolveAsOf } from './as_of.ts';
import { sendEntity } from './etag.ts';
import { UUID } from './fields.ts';
import { badParameter, checkQuery } from './input.ts';
import { pageParametersOf, readCursor, sendPage } from './paging.ts';

const LOOK_EVERY = 10; // ms
const PATIENCE = 2_000; // ms
const LIST = 'as_of -created_at';

const HistoryQuery = z.strictObject(pageParametersOf({ default: 1000, most: 1000 }));
const position = z.int().nonnegative();
const HistoryKeys = z.tuple([position]);
const ListKeys = z
  .tuple([z.literal(LIST), position, moment, z.string().regex(UUID)])
  .transform(([, position, created_at, id]) => ({ position, after: { created_at, id } }));

/** Answers with the task as it was. */
export async function showPast(ctx: Context, pool: DatabasePool, id: string, asOf: AsOf): Promise<void> {
  const position = await resolveAsOf(pool, asOf);
  const task = await readPast(pool, entity(id), position);
  if (!task) throw new ServiceError('not_found', `at position ${position} there was no task ${id}`);
  sendEntity(ctx, task);
}

/** Answers with a page of the list as it was. The cursor holds the position: later pages are of the same moment. */
export async function listPastTasks(
  ctx: Context,
  pool: DatabasePool,
  { limit, cursor, as_of }: { limit: number; cursor: string | undefined; as_of: AsOf },
): Promise<void> {
  const keys = cursor === undefined ? undefined : readCursor(ListKeys, cursor);
  if (keys && 'position' in as_of && as_of.position !== keys.position)
    throw badParameter('cursor', 'is of another as_of');
  const position = await resolveAsOf(pool, keys ?? as_of);
  const rows = await listPast(pool, { topic: 'tasks', position, limit: limit + 1, after: keys?.after });
  sendPage(ctx, { rows, limit, keysOf: row => [LIST, position, row.created_at, row.id] });
}

/** Answers with the task's events as sockets send them, also after its deletion. */
export async function showHistory(ctx: Context, pool: DatabasePool, id: string): Promise<void> {
  const { limit, cursor } = checkQuery(HistoryQuery, ctx);
  const [after] = cursor === undefined ? [0] : readCursor(HistoryKeys, cursor);
  await untilNumbered(pool, entity(id));
  const events = await readHistory(pool, entity(id), { after, limit: limit + 1 });
  if (events.length === 0 && after === 0) throw new ServiceError('not_found', `there never was a task ${id}`);
  const rows = events.map(toEvent).map(({ position, json }) => ({ position, document: json }));
  sendPage(ctx, { rows, limit, keysOf: row => [row.position] });
}

function entity(id: string): Entity {
  return { topic: 'tasks', subject: id.toLowerCase() };
}

// Whoever has just written must find it here. Only what had committed at the first look is waited for: to an entity
// that changes all the time there is always one more.
async function untilNumbered(pool: DatabasePool, of: Entity): Promise<void> {
  const change = await readPending(pool, of);
  const end = performance.now() + PATIENCE;
  while (change !== null && !(await isNumbered(pool, change))) {
    if (performance.now() > end)
      throw new ServiceError('timeout', 'its last change is not in the log yet; try again', {
        headers: { 'Retry-After': '1' },
      });
    await pause(LOOK_EVERY);
  }
}
