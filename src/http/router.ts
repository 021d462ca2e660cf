// Routes to operations. What comes in is checked here, once and in one order: the client, what it may still ask for, the path,
// the query, the headers, the body.
import { Router } from '@koa/router';
import type { Context, Middleware } from 'koa';
import { leastCostOf, type Operation } from '../web/operation.ts';
import { NO_LIMIT, type RateLimit } from '../web/rate_limit.ts';
import { readJson } from './input/body.ts';
import { checkBody, checkHeaders, checkParams, checkQuery } from './input/input.ts';

/** What routes, and the routers that it asks, as @koa/router leaves itself on its own middleware. */
export type Routing = Middleware & { readonly routers: readonly Router[] };

/**
 * The routes of these operations. A path that stands among them as it is, such as /tasks/batch, is never taken for one
 * with a parameter, such as /tasks/{id}, whatever the method: as OpenAPI matches them (3.1, section 4.8.8.2).
 */
export function routesTo(operations: readonly Operation[], rateLimit: RateLimit = NO_LIMIT): Routing {
  const isFixed = ({ path }: Operation) => !path.includes('{');
  const byPlace = Map.groupBy(operations.filter(isFixed), ({ path }) => placeOf(path));
  const fixed = new Map([...byPlace].map(([place, its]) => [place, createRouter(its, rateLimit)]));
  const others = createRouter(
    operations.filter(each => !isFixed(each)),
    rateLimit,
  );
  const routes = new Map([...fixed].map(([place, router]) => [place, middlewareOf(router)]));
  const otherRoutes = middlewareOf(others);
  const routing: Middleware = (ctx, next) => (routes.get(placeOf(ctx.path)) ?? otherRoutes)(ctx, next);
  return Object.assign(routing, { routers: [...fixed.values(), others] });
}

// As @koa/router matches: whatever the case, and with or without a slash at the end.
function placeOf(path: string): string {
  const place = path.toLowerCase();
  return place.length > 1 && place.endsWith('/') ? place.slice(0, -1) : place;
}

function createRouter(operations: readonly Operation[], rateLimit: RateLimit): Router {
  const router = new Router();
  for (const each of operations)
    router[each.method](patternOf(each.path), ctx => serve(ctx, each, rateLimit));
  return router;
}

// It makes for itself what its type wants to find in the context.
function middlewareOf(router: Router): Middleware {
  return router.routes() as Middleware;
}

async function serve(ctx: Context, operation: Operation, rateLimit: RateLimit): Promise<void> {
  const { authorize, params, query, headers, body, cost, handle } = operation;
  authorize?.(ctx);
  const least = leastCostOf(operation);
  rateLimit.charge(ctx, least);
  const input = {
    params: params && checkParams(params, ctx),
    query: query && checkQuery(query, ctx),
    headers: headers && checkHeaders(headers, ctx),
    body: body && checkBody(body.schema, await readJson(ctx, body.types)),
  } as Parameters<typeof handle>[1];
  if (typeof cost === 'function') rateLimit.charge(ctx, cost(input), least);
  await handle(ctx, input);
  // What a cache keeps for others must not tell them what is left of this client's.
  if (/\bpublic\b/.test(ctx.response.get('Cache-Control'))) ctx.remove('RateLimit');
}

// OpenAPI writes /tasks/{id}, the router /tasks/:id.
function patternOf(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}
