// REST for tasks. A route reads, asks the database and answers; whoever listens hears of it from the log.
import { Router } from '@koa/router';
import type { Context } from 'koa';
import { z } from 'zod';
import type { DatabasePool } from '../database/pool.ts';
import { deleteTask, insertTask, listTasks, readTask, taskExists, updateTask } from '../database/tasks.ts';
import { ServiceError } from '../errors.ts';
import { JSON_TYPES, MERGE_PATCH_TYPES, readJson } from './body.ts';
import { expectedVersions, sendEntity } from './etag.ts';
import { UUID } from './fields.ts';
import { checkBody, checkQuery, NoParameters } from './input.ts';
import { moment } from './moment.ts';
import { pageParameters, readCursor, sendPage } from './paging.ts';
import { requestIdOf } from './request_id.ts';
import { NewTask, TaskPatch } from './task_fields.ts';

const SORT = '-created_at';

const ListQuery = z.strictObject(pageParameters);
const Keys = z
  .tuple([z.literal(SORT), moment, z.string().regex(UUID)])
  .transform(([, created_at, id]) => ({ created_at, id }));

/** GET and POST /tasks; GET, PATCH and DELETE /tasks/{id}. */
export function createTaskRouter({ pool }: { pool: DatabasePool }): Router {
  const router = new Router();
  router.get('/tasks', ctx => list(ctx, pool));
  router.post('/tasks', ctx => create(ctx, pool));
  router.get('/tasks/:id', ctx => show(ctx, pool));
  router.patch('/tasks/:id', ctx => patch(ctx, pool));
  router.delete('/tasks/:id', ctx => remove(ctx, pool));
  return router;
}

async function list(ctx: Context, pool: DatabasePool): Promise<void> {
  const { limit, cursor } = checkQuery(ListQuery, ctx);
  const after = cursor === undefined ? undefined : readCursor(Keys, cursor);
  // One more than asked for tells whether there is another page.
  const rows = await listTasks(pool, { limit: limit + 1, after });
  sendPage(ctx, { rows, limit, keysOf: row => [SORT, row.created_at, row.id] });
}

async function create(ctx: Context, pool: DatabasePool): Promise<void> {
  checkQuery(NoParameters, ctx);
  const task = checkBody(NewTask, await readJson(ctx, JSON_TYPES));
  const created = await insertTask(pool, task, requestIdOf(ctx));
  ctx.status = 201;
  ctx.set('Location', `/tasks/${created.id}`);
  sendEntity(ctx, created);
}

async function show(ctx: Context, pool: DatabasePool): Promise<void> {
  const id = idOf(ctx);
  checkQuery(NoParameters, ctx);
  const task = await readTask(pool, id);
  if (!task) throw noTask(id);
  sendEntity(ctx, task);
}

async function patch(ctx: Context, pool: DatabasePool): Promise<void> {
  const id = idOf(ctx);
  checkQuery(NoParameters, ctx);
  const versions = expectedVersions(ctx);
  const changes = checkBody(TaskPatch, await readJson(ctx, MERGE_PATCH_TYPES));
  const task = await updateTask(pool, { id, versions, changes, requestId: requestIdOf(ctx) });
  if (!task) throw await absence(pool, id);
  sendEntity(ctx, task);
}

async function remove(ctx: Context, pool: DatabasePool): Promise<void> {
  const id = idOf(ctx);
  checkQuery(NoParameters, ctx);
  const versions = expectedVersions(ctx);
  const deleted = await deleteTask(pool, { id, versions, requestId: requestIdOf(ctx) });
  if (!deleted) throw await absence(pool, id);
  ctx.status = 204;
}

function idOf(ctx: Context): string {
  const id = String(ctx.params.id);
  if (!UUID.test(id)) throw noTask(id);
  return id;
}

// The write found no row: the task is not there, or not in a version that If-Match allows.
async function absence(pool: DatabasePool, id: string): Promise<ServiceError> {
  if (!(await taskExists(pool, id))) return noTask(id);
  return new ServiceError('stale', `task ${id} has another version than If-Match says; read it again`);
}

function noTask(id: string): ServiceError {
  return new ServiceError('not_found', `there is no task ${id}`);
}
