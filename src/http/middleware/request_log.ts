// One line per request. Stands outside of what answers errors, so that every answer has its line.
import type { Context, Middleware } from 'koa';
import { ServiceError } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import type { Availability } from '../../postgres/availability.ts';
import { isAway, isNotWritable } from '../../postgres/errors.ts';
import { callerOf } from '../../web/access.ts';
import { failureOf } from './problems.ts';
import { requestIdOf } from './request_id.ts';

/** What became of a request. `route` is the pattern that matched, such as /tasks/:id, or 'unmatched'. */
export interface RequestOutcome {
  method: string;
  route: string;
  status: number;
  seconds: number;
}

export interface RequestLogOptions {
  logger: Logger;
  availability: Availability;
  /** Told of every request, too. */
  answered?: ((outcome: RequestOutcome) => void) | undefined;
}

/**
 * Logs method, path (the query may hold secrets), status and time; a 5xx as an error, with its cause,
 * but for a database that is away or takes no changes, which every request meets: that is said once. What has become a WebSocket has a line of its
 * own, at its end.
 */
export function requestLog({ logger, availability, answered }: RequestLogOptions): Middleware {
  return async (ctx, next) => {
    const started = performance.now();
    await next();
    if (ctx.status === 101) return;
    const ms = performance.now() - started;
    answered?.({ method: ctx.method, route: routeOf(ctx), status: ctx.status, seconds: ms / 1000 });
    const line = {
      request_id: requestIdOf(ctx),
      ...tokenOf(ctx),
      method: ctx.method,
      path: ctx.path,
      status: ctx.status,
      ms: Math.round(ms * 1000) / 1000,
    };
    const failure = failureOf(ctx);
    if (isNotWritable(failure)) availability.refusedWrite(failure);
    else if (isAway(failure)) availability.away(failure);
    if (failure === undefined || isAway(failure) || isBusy(failure)) logger.info(line, 'request');
    else logger.error({ ...line, err: failure }, 'request');
  };
}

// Its status says all, and there would be a stack for each of many.
function isBusy(failure: unknown): boolean {
  return failure instanceof ServiceError && failure.code === 'busy';
}

// Where the path matched and the method did not, the route is still known.
function routeOf(ctx: Context): string {
  const matched: readonly { path: string | RegExp }[] = ctx.matched ?? [];
  return String(ctx._matchedRoute ?? matched[0]?.path ?? 'unmatched');
}

// Who asked, where that is known: its name is the operator's own to look up.
function tokenOf(ctx: Context): { token?: string } {
  const { token } = callerOf(ctx.req);
  return token ? { token: token.id } : {};
}
