// What an orchestrator asks: does the process live, and can it work?
import { Router } from '@koa/router';
import { translateDatabaseError } from '../database/errors.ts';
import { type DatabasePool, ping } from '../database/pool.ts';

/** /health/live always says yes; /health/ready says 503, and why, while the database does not answer. */
export function createHealthRouter({ pool }: { pool: DatabasePool }): Router {
  const router = new Router();
  router.get('/health/live', ctx => {
    ctx.body = { status: 'ok' };
  });
  router.get('/health/ready', async ctx => {
    const reasons = await reasonsAgainst(pool);
    ctx.status = reasons.length === 0 ? 200 : 503;
    ctx.body = reasons.length === 0 ? { status: 'ok' } : { status: 'unavailable', reasons };
  });
  return router;
}

async function reasonsAgainst(pool: DatabasePool): Promise<string[]> {
  try {
    await ping(pool);
    return [];
  } catch (error) {
    return [translateDatabaseError(error)?.message ?? 'the database does not answer as it should'];
  }
}
