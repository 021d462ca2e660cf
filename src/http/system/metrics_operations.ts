// GET /metrics: what Prometheus scrapes. For clients on this machine alone: it tells how much is going on.
import type { Context } from 'koa';
import { ServiceError } from '../../errors.ts';
import { type Operation, operation } from '../../web/operation.ts';
import { NoParameters } from '../input/input.ts';

/** The metrics as text, gathered now, and the type that says so. */
type Scrape = () => Promise<{ type: string; text: string }>;

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;

export function createMetricsOperations({ scrape }: { scrape: Scrape }): Operation[] {
  return [
    operation({
      id: 'show_metrics',
      method: 'get',
      path: '/metrics',
      summary: 'Tells a client on the same machine how much is going on, for Prometheus.',
      tag: 'health',
      cost: 0,
      authorize: refuseRemote,
      query: NoParameters,
      answers: { 200: { description: 'The metrics.', type: 'text/plain' } },
      async handle(ctx) {
        const { type, text } = await scrape();
        ctx.set('Content-Type', type);
        ctx.body = text;
      },
    }),
  ];
}

function refuseRemote(ctx: Context): void {
  if (!isLocal(ctx)) throw new ServiceError('forbidden', '/metrics is for clients on the same machine');
}

// A proxy on this machine asks for another client, and says so.
function isLocal(ctx: Context): boolean {
  if (ctx.get('X-Forwarded-For') !== '' || ctx.get('Forwarded') !== '') return false;
  return LOOPBACK.test(ctx.req.socket.remoteAddress ?? '');
}
