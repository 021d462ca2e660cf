// REST for tasks. A route reads, asks the database and answers; whoever listens hears of it from the log.
import { Router } from '@koa/router';
import type { Context } from 'koa';
import { z } from 'zod';
import type { DatabasePool } from '../database/pool.ts';
import {
  deleteTask,
  insertTask,
  listTasks,
  readTask,
  restoreTask,
  type StoredTask,
  type TaskTarget,
  taskExists,
  updateTask,
} from '../database/tasks.ts';
import { ServiceError } from '../errors.ts';
import { moment } from '../moment.ts';
import { asOf } from './as_of.ts';
import { JSON_TYPES, MERGE_PATCH_TYPES, readJson } from './body.ts';
import { expectedVersions, sendEntity } from './etag.ts';
import { UUID } from './fields.ts';
import { checkBody, checkQuery, NoParameters } from './input.ts';
import { pageParameters, readCursor, sendPage } from './paging.ts';
import { requestIdOf } from './request_id.ts';
import { NewTask, TaskPatch } from './task_fields.ts';
import { listPastTasks, showHistory, showPast } from './task_past.ts';

const SORT = '-created_at';

const ListQuery = z.strictObject({ ...pageParameters, as_of: asOf });
const ShowQuery = z.strictObject({ as_of: asOf });
const Keys = z
  .tuple([z.literal(SORT), moment, z.string().regex(UUID)])
  .transform(([, created_at, id]) => ({ created_at, id }));

/** GET and POST /tasks; GET, PATCH and DELETE /tasks/{id}; GET /tasks/{id}/history and POST /tasks/{id}/restore. */
export function createTaskRouter({ pool }: { pool: DatabasePool }): Router {
  const router = new Router();
  router.get('/tasks', ctx => list(ctx, pool));
  router.post('/tasks', ctx => create(ctx, pool));
  router.get('/tasks/:id', ctx => show(ctx, pool));
  router.patch('/tasks/:id', ctx => patch(ctx, pool));
  router.delete('/tasks/:id', ctx => remove(ctx, pool));
  router.get('/tasks/:id/history', ctx => showHistory(ctx, pool, idOf(ctx)));
  router.post('/tasks/:id/restore', ctx => restore(ctx, pool));
  return router;
}

async function list(ctx: Context, pool: DatabasePool): Promise<void> {
  const { limit, cursor, as_of } = checkQuery(ListQuery, ctx);
  if (as_of) return listPastTasks(ctx, pool, { limit, cursor, as_of });
  const after = cursor === undefined ? undefined : readCursor(Keys, cursor);
  // One more than asked for tells whether there is another page.
  const rows = await listTasks(pool, { limit: limit + 1, after });
  sendPage(ctx, { rows, limit, keysOf: row => [SORT, row.created_at, row.id] });
}

async function create(ctx: Context, pool: DatabasePool): Promise<void> {
  checkQuery(NoParameters, ctx);
  const task = checkBody(NewTask, await readJson(ctx, JSON_TYPES));
  sendCreated(ctx, await insertTask(pool, task, requestIdOf(ctx)));
}

async function restore(ctx: Context, pool: DatabasePool): Promise<void> {
  const id = idOf(ctx);
  checkQuery(NoParameters, ctx);
  const task = await restoreTask(pool, id, requestIdOf(ctx));
  if (!task) throw new ServiceError('not_found', `there never was a task ${id}`);
  sendCreated(ctx, task);
}

async function show(ctx: Context, pool: DatabasePool): Promise<void> {
  const id = idOf(ctx);
  const { as_of } = checkQuery(ShowQuery, ctx);
  if (as_of) return showPast(ctx, pool, id, as_of);
  const task = await readTask(pool, id);
  if (!task) throw noTask(id);
  sendEntity(ctx, task);
}

async function patch(ctx: Context, pool: DatabasePool): Promise<void> {
  const id = idOf(ctx);
  checkQuery(NoParameters, ctx);
  const versions = expectedVersions(ctx);
  const changes = checkBody(TaskPatch, await readJson(ctx, MERGE_PATCH_TYPES));
  const target = { id, versions, requestId: requestIdOf(ctx) };
  sendEntity(ctx, await written(pool, target, () => updateTask(pool, { ...target, changes })));
}

async function remove(ctx: Context, pool: DatabasePool): Promise<void> {
  const id = idOf(ctx);
  checkQuery(NoParameters, ctx);
  const versions = expectedVersions(ctx);
  const target = { id, versions, requestId: requestIdOf(ctx) };
  await written(pool, target, () => deleteTask(pool, target));
  ctx.status = 204;
}

function sendCreated(ctx: Context, task: StoredTask): void {
  ctx.status = 201;
  ctx.set('Location', `/tasks/${task.id}`);
  sendEntity(ctx, task);
}

function idOf(ctx: Context): string {
  const id = String(ctx.params.id);
  if (!UUID.test(id)) throw noTask(id);
  return id;
}

// A write that found no row: the task is not there, or not in a version that If-Match allows, or somebody deleted it and
// inserted it again while the write waited for its row: then it is there now.
async function written<Result>(
  pool: DatabasePool,
  { id, versions }: TaskTarget,
  write: () => Promise<Result>,
): Promise<NonNullable<Result>> {
  for (;;) {
    const result = await write();
    if (result) return result;
    if (!(await taskExists(pool, id))) throw noTask(id);
    if (versions)
      throw new ServiceError('stale', `task ${id} has another version than If-Match says; read it again`);
  }
}

function noTask(id: string): ServiceError {
  return new ServiceError('not_found', `there is no task ${id}`);
}
