// One line per request. Stands outside of what answers errors, so that every answer has its line.
import type { Middleware } from 'koa';
import type { Logger } from '../logger.ts';
import { failureOf } from './problems.ts';
import { requestIdOf } from './request_id.ts';

/** Logs method, path (the query may hold what is nobody's business), status and time; a 5xx as an error, with its cause. */
export function requestLog(logger: Logger): Middleware {
  return async (ctx, next) => {
    const started = performance.now();
    await next();
    const line = {
      request_id: requestIdOf(ctx),
      method: ctx.method,
      path: ctx.path,
      status: ctx.status,
      ms: Math.round((performance.now() - started) * 1000) / 1000,
    };
    if (ctx.status < 500) logger.info(line, 'request');
    else logger.error({ ...line, err: failureOf(ctx) }, 'request');
  };
}
