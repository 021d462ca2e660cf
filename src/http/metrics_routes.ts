// GET /metrics: what Prometheus scrapes. For clients on this machine alone: it tells how much is going on.
import { Router } from '@koa/router';
import type { Context } from 'koa';
import { ServiceError } from '../errors.ts';
import { checkQuery, NoParameters } from './input.ts';

/** The metrics as text, gathered now, and the type that says so. */
export type Scrape = () => Promise<{ type: string; text: string }>;

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

export function createMetricsRouter({ scrape }: { scrape: Scrape }): Router {
  const router = new Router();
  router.get('/metrics', async ctx => {
    if (!isLocal(ctx)) throw new ServiceError('forbidden', '/metrics is for clients on the same machine');
    checkQuery(NoParameters, ctx);
    const { type, text } = await scrape();
    ctx.set('Content-Type', type);
    ctx.body = text;
  });
  return router;
}

// A proxy on this machine asks for somebody else, and says so.
function isLocal(ctx: Context): boolean {
  if (ctx.get('X-Forwarded-For') !== '' || ctx.get('Forwarded') !== '') return false;
  return LOOPBACK.test(ctx.req.socket.remoteAddress ?? '');
}
