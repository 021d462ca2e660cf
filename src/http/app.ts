// Puts the HTTP side together. It assembles and does not listen; nothing here can tell a socket anything.
import type { Router } from '@koa/router';
import Koa, { type Middleware } from 'koa';
import { type DatabasePool, ping } from '../database/pool.ts';
import { createPresence, type Presence } from '../database/presence.ts';
import type { Logger } from '../logger.ts';
import type { Origins } from '../origins.ts';
import { createHealthRouter, type Readiness } from './health_routes.ts';
import { createProblemRouter } from './problem_routes.ts';
import { problems } from './problems.ts';
import { requestId } from './request_id.ts';
import { type RequestOutcome, requestLog } from './request_log.ts';
import { readableTarget, refuseUnreadable } from './request_target.ts';
import { refuseStrangers } from './strangers.ts';
import { unmatched } from './unmatched.ts';

// The connection broke, or what came over it ended or went on as no request does.
const CLIENT_GONE = /^(ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE|HPE_\w+)$/;

export interface HttpAppOptions {
  pool: DatabasePool;
  logger: Logger;
  /** Which pages may use it. */
  origins: Origins;
  /** The nouns' routers, and whatever else the composition serves. */
  routers: readonly Router[];
  /** What readiness asks for; without it, that the database answers. */
  readiness?: Readiness | undefined;
  /** Told of requests that met no database. */
  presence?: Presence | undefined;
  /** Told of every request once it is answered. */
  answered?: ((outcome: RequestOutcome) => void) | undefined;
}

/** The Koa app; `callback()` is what an HTTP server wants. */
export function createHttpApp({
  pool,
  logger,
  origins,
  routers,
  readiness,
  presence,
  answered,
}: HttpAppOptions): Koa {
  const app = new Koa();
  app.on('error', error => {
    if (CLIENT_GONE.test(error.code)) logger.debug({ code: error.code }, 'the client broke off its request');
    else logger.error({ err: error }, 'an answer was cut off');
  });
  app.use(readableTarget());
  app.use(requestId());
  app.use(requestLog({ logger, presence: presence ?? createPresence(logger), answered }));
  app.use(commonHeaders());
  app.use(problems());
  app.use(refuseUnreadable());
  app.use(refuseStrangers(origins));
  const health = createHealthRouter(readiness ?? { database: () => reaches(pool), parts: () => [] });
  // Each router looks at every request that gets to it, so those that are asked most stand first.
  for (const router of [...routers, health, createProblemRouter()]) app.use(router.routes());
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
