// Puts the HTTP side together. It assembles and does not listen; nothing here can tell a socket anything.
import type { Router } from '@koa/router';
import Koa, { type Middleware } from 'koa';
import { type DatabasePool, ping } from '../database/pool.ts';
import type { Logger } from '../logger.ts';
import { createHealthRouter, type Readiness } from './health_routes.ts';
import { createProblemRouter } from './problem_routes.ts';
import { problems } from './problems.ts';
import { requestId } from './request_id.ts';
import { type RequestOutcome, requestLog } from './request_log.ts';
import { readableTarget, refuseUnreadable } from './request_target.ts';
import { unmatched } from './unmatched.ts';

const CLIENT_GONE = new Set(['ECONNRESET', 'EPIPE', 'ERR_STREAM_PREMATURE_CLOSE']);

export interface HttpAppOptions {
  pool: DatabasePool;
  logger: Logger;
  /** The nouns' routers, and whatever else the composition serves. */
  routers: readonly Router[];
  /** What readiness asks for; without it, that the database answers. */
  readiness?: Readiness | undefined;
  /** Told of every request once it is answered. */
  answered?: ((outcome: RequestOutcome) => void) | undefined;
}

/** The Koa app; `callback()` is what an HTTP server wants. */
export function createHttpApp({ pool, logger, routers, readiness, answered }: HttpAppOptions): Koa {
  const app = new Koa();
  app.on('error', error => {
    if (CLIENT_GONE.has(error.code)) logger.debug({ err: error }, 'the client went away during its answer');
    else logger.error({ err: error }, 'an answer was cut off');
  });
  app.use(readableTarget());
  app.use(requestId());
  app.use(requestLog(logger, answered));
  app.use(commonHeaders());
  app.use(problems());
  app.use(refuseUnreadable());
  const health = createHealthRouter(readiness ?? { database: () => reaches(pool), parts: () => [] });
  for (const router of [health, createProblemRouter(), ...routers]) app.use(router.routes());
  app.use(unmatched());
  return app;
}

async function reaches(pool: DatabasePool): Promise<readonly string[]> {
  await ping(pool);
  return [];
}

function commonHeaders(): Middleware {
  return (ctx, next) => {
    ctx.set({ 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' });
    return next();
  };
}
