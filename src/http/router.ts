// Routes to operations. What comes in is checked here, once and in one order: the client, what it may still ask for, the path,
// the query, the headers, the body.
import { Router } from '@koa/router';
import type { Context, Middleware } from 'koa';
import { type Access, requireScope, setCaller } from '../web/access.ts';
import { leastCostOf, type Operation } from '../web/operation.ts';
import type { RateLimit } from '../web/rate_limit.ts';
import { readJson } from './input/body.ts';
import { checkBody, checkHeaders, checkParams, checkQuery } from './input/input.ts';

/** What routes, and the routers that it asks, as @koa/router leaves itself on its own middleware. */
export type Routing = Middleware & { readonly routers: readonly Router[] };

/** Who asks, and how much it may ask for: without a limit as much as it likes. */
interface Doors {
  access: Access;
  rateLimit?: RateLimit | undefined;
}

/**
 * The routes of these operations, each of which says what its client must be allowed to. A path that stands among them as it is, such as /tasks/batch, is never taken for one
 * with a parameter, such as /tasks/{id}, whatever the method: as OpenAPI matches them (3.1, section 4.8.8.2).
 */
export function routesTo(operations: readonly Operation[], doors: Doors): Routing {
  // They are put together of parts, where a type may say more than there is: nothing is open because it was forgotten.
  for (const each of operations)
    if (!each.access) throw new TypeError(`${each.id} does not say what its client must be allowed to`);
  const isFixed = ({ path }: Operation) => !path.includes('{');
  const byPlace = Map.groupBy(operations.filter(isFixed), ({ path }) => placeOf(path));
  const fixed = new Map([...byPlace].map(([place, its]) => [place, createRouter(its, doors)]));
  const others = createRouter(
    operations.filter(each => !isFixed(each)),
    doors,
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

function createRouter(operations: readonly Operation[], doors: Doors): Router {
  const router = new Router();
  for (const each of operations)
    router[each.method](patternOf(each.path), async ctx => {
      await admit(ctx, each, doors.access);
      await answer(ctx, each, doors.rateLimit);
    });
  return router;
}

// It makes for itself what its type wants to find in the context.
function middlewareOf(router: Router): Middleware {
  return router.routes() as Middleware;
}

// Throws what a client is told that may not.
async function admit(ctx: Context, { access: required, isExempt }: Operation, access: Access): Promise<void> {
  if (required === 'open' || isExempt?.(ctx)) return;
  const caller = await access.identify(ctx.req);
  setCaller(ctx.req, caller);
  requireScope(caller, required);
}

async function answer(ctx: Context, operation: Operation, rateLimit: RateLimit | undefined): Promise<void> {
  const { params, query, headers, body, cost, handle } = operation;
  const least = Math.max(leastCostOf(operation), body ? costOfReading(ctx) : 0);
  rateLimit?.charge(ctx, least);
  const input = {
    params: params && checkParams(params, ctx),
    query: query && checkQuery(query, ctx),
    headers: headers && checkHeaders(headers, ctx),
    body: body && checkBody(body.schema, await readJson(ctx, body.types)),
  } as Parameters<typeof handle>[1];
  if (typeof cost === 'function') rateLimit?.charge(ctx, cost(input), least);
  await handle(ctx, input);
  // What a cache keeps for others must not tell them what is left of this client's.
  if (rateLimit && /\bpublic\b/.test(ctx.response.get('Cache-Control'))) ctx.remove('RateLimit');
}

// A body is read and checked before it is known what it asks for: a large one costs something, also if it is refused.
const BYTES_FOR_ONE = 2_000;

function costOfReading({ req: { headers } }: Context): number {
  return Math.floor(Number(headers['content-length'] ?? 0) / BYTES_FOR_ONE) || 0;
}

// OpenAPI writes /tasks/{id}, the router /tasks/:id.
function patternOf(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}
