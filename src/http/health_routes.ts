// What an orchestrator asks: does the process live, and can it work?
import { Router } from '@koa/router';
import { translateDatabaseError } from '../database/errors.ts';

/** Why the instance cannot work now: sentences for an operator, none if it can. */
export interface Readiness {
  /** What is wrong with the database, or in it; throws while it does not answer. */
  database(): Promise<readonly string[]>;
  /** Which of the instance's own parts do not do what they are for. */
  parts(): readonly string[];
  /** What is wrong without keeping it from its work. */
  warnings?(): readonly string[];
}

const PATIENCE = 3_000; // ms

/** /health/live always says yes; /health/ready says 503, and why, while the instance cannot work. */
export function createHealthRouter(readiness: Readiness): Router {
  const router = new Router();
  router.get('/health/live', ctx => {
    ctx.body = { status: 'ok' };
  });
  router.get('/health/ready', async ctx => {
    const reasons = [...(await reasonsOfDatabase(readiness)), ...readiness.parts()];
    const found = readiness.warnings?.() ?? [];
    const warnings = found.length === 0 ? {} : { warnings: found };
    ctx.status = reasons.length === 0 ? 200 : 503;
    ctx.body =
      reasons.length === 0 ? { status: 'ok', ...warnings } : { status: 'unavailable', reasons, ...warnings };
  });
  return router;
}

// A database that has silently gone is found out late by its connections, and orchestrators do not wait for that.
async function reasonsOfDatabase({ database }: Readiness): Promise<readonly string[]> {
  const late = Promise.withResolvers<readonly string[]>();
  const timer = setTimeout(() => late.resolve(['the database did not answer in time']), PATIENCE);
  try {
    return await Promise.race([database(), late.promise]);
  } catch (error) {
    return [translateDatabaseError(error)?.message ?? 'the database does not answer as it should'];
  } finally {
    clearTimeout(timer);
  }
}
