// Makes a router of operations. What comes in is checked here, once and in one order: who asks, the path, the query, the
// headers, the body.
import { Router } from '@koa/router';
import type { Context } from 'koa';
import type { Operation } from '../operation.ts';
import { readJson } from './body.ts';
import { checkBody, checkHeaders, checkParams, checkQuery } from './input.ts';

/** The routes of these operations, and no others. */
export function createRouter(operations: readonly Operation[]): Router {
  const router = new Router();
  for (const each of operations) router[each.method](patternOf(each.path), ctx => serve(ctx, each));
  return router;
}

async function serve(ctx: Context, { admit, params, query, headers, body, handle }: Operation) {
  admit?.(ctx);
  await handle(ctx, {
    params: params && checkParams(params, ctx.params),
    query: query && checkQuery(query, ctx),
    headers: headers && checkHeaders(headers, ctx),
    body: body && checkBody(body.schema, await readJson(ctx, body.types)),
  } as Parameters<typeof handle>[1]);
}

// OpenAPI writes /tasks/{id}, the router /tasks/:id.
function patternOf(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}
