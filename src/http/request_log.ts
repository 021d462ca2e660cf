// One line per request. Stands outside of what answers errors, so that every answer has its line.
import type { Context, Middleware } from 'koa';
import type { Logger } from '../logger.ts';
import { failureOf } from './problems.ts';
import { requestIdOf } from './request_id.ts';

/** What became of a request. `route` is the pattern that matched, such as /tasks/:id, or 'unmatched'. */
export interface RequestOutcome {
  method: string;
  route: string;
  status: number;
  seconds: number;
}

/** Logs method, path (the query may hold what is nobody's business), status and time; a 5xx as an error, with its cause. `answered` is told too. */
export function requestLog(logger: Logger, answered?: (outcome: RequestOutcome) => void): Middleware {
  return async (ctx, next) => {
    const started = performance.now();
    await next();
    const ms = performance.now() - started;
    answered?.({ method: ctx.method, route: routeOf(ctx), status: ctx.status, seconds: ms / 1000 });
    const line = {
      request_id: requestIdOf(ctx),
      method: ctx.method,
      path: ctx.path,
      status: ctx.status,
      ms: Math.round(ms * 1000) / 1000,
    };
    if (ctx.status < 500) logger.info(line, 'request');
    else logger.error({ ...line, err: failureOf(ctx) }, 'request');
  };
}

// Where the path matched and the method did not, the route is still known.
function routeOf(ctx: Context): string {
  const matched: readonly { path: string | RegExp }[] = ctx.matched ?? [];
  return String(ctx._matchedRoute ?? matched[0]?.path ?? 'unmatched');
}
