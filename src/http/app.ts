// Puts the HTTP side together. It assembles and does not listen; nothing here can tell a socket anything.
import Koa, { type Middleware } from 'koa';
import type { Logger } from '../logger.ts';
import { type Availability, createAvailability } from '../postgres/availability.ts';
import { unavailable } from '../postgres/errors.ts';
import { type Access, OPEN_ACCESS } from '../web/access.ts';
import type { Operation } from '../web/operation.ts';
import type { Origins } from '../web/origins.ts';
import type { RateLimit } from '../web/rate_limit.ts';
import { compression } from './middleware/compression.ts';
import { cors } from './middleware/cors.ts';
import { oneHost } from './middleware/host.ts';
import { answerNotFound } from './middleware/not_found.ts';
import { checkOrigin } from './middleware/origin_check.ts';
import { problems } from './middleware/problems.ts';
import { requestId } from './middleware/request_id.ts';
import { type RequestLogOptions, type RequestOutcome, requestLog } from './middleware/request_log.ts';
import { readableTarget, refuseUnreadable } from './middleware/request_target.ts';
import { routesTo } from './router.ts';
import { createHealthOperations, type Readiness } from './system/health_operations.ts';
import { createProblemOperations } from './system/problem_operations.ts';

// The connection broke, or what came over it ended or went on as no request does.
const CLIENT_GONE = /^(ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE|HPE_\w+)$/;

interface HttpAppOptions {
  logger: Logger;
  /** Which pages may use it. */
  origins: Origins;
  /** Who asks. Without it nobody is asked for a token. */
  access?: Access | undefined;
  /** The resources' operations, and whatever else the composition serves. */
  operations: readonly Operation[];
  /** What readiness asks for. */
  readiness: Readiness;
  /** Told of requests that met no database. */
  availability?: Availability | undefined;
  /** Told of every request once it is answered. */
  answered?: ((outcome: RequestOutcome) => void) | undefined;
  /** How much a client may ask for; without it as much as it likes. */
  rateLimit?: RateLimit | undefined;
  /** What becomes of requests that no operation is for; they are refused. */
  otherwise?: Middleware | undefined;
}

/** What is served, and all that can be asked of it. */
export interface HttpApp extends Koa {
  readonly operations: readonly Operation[];
}

/** The Koa app; `callback()` is what an HTTP server wants. */
export function createHttpApp({
  logger,
  origins,
  access = OPEN_ACCESS,
  operations,
  readiness,
  availability,
  answered,
  rateLimit,
  otherwise = answerNotFound(),
}: HttpAppOptions): HttpApp {
  const app = new Koa();
  app.on('error', error => {
    if (CLIENT_GONE.test(error.code)) logger.debug({ code: error.code }, 'the client broke off its request');
    else logger.error({ err: error }, 'an answer was cut off');
  });
  for (const each of answering({
    logger,
    availability: availability ?? createAvailability(logger),
    allowedOrigins: origins.allowed,
    answered,
  }))
    app.use(each);
  app.use(checkOrigin(origins));
  const all = [...operations, ...createHealthOperations(readiness), ...createProblemOperations()];
  app.use(routesTo(all, { access, rateLimit }));
  app.use(otherwise);
  return Object.assign(app, { operations: all });
}

/**
 * What stands around every answer, that to a refused WebSocket among them: its name, its line in the log, its headers,
 * and a problem in the place of what is thrown further in.
 */
export function answering({
  allowedOrigins,
  ...options
}: RequestLogOptions & { allowedOrigins: readonly string[] }): Middleware[] {
  return [
    readableTarget(),
    requestId(),
    requestLog(options),
    commonHeaders(),
    cors(allowedOrigins),
    compression(),
    problems(),
    refuseUnreadable(),
    oneHost(),
  ];
}

export type WaitingOptions = Pick<HttpAppOptions, 'logger' | 'origins' | 'availability' | 'answered'>;

/** The app of an instance that has no database yet: it lives, is not ready, and everything else is 503. */
export function createWaitingApp(options: WaitingOptions): HttpApp {
  const away = unavailable();
  return createHttpApp({
    ...options,
    operations: [],
    readiness: { database: () => Promise.reject(away), parts: () => [] },
    otherwise: () => Promise.reject(away),
  });
}

function commonHeaders(): Middleware {
  return (ctx, next) => {
    ctx.set({ 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' });
    return next();
  };
}
