// GET /metrics: what Prometheus scrapes. For clients on this machine, and for tokens of operators: it tells how much is going on.
import type { Context } from 'koa';
import { type Operation, operation } from '../../web/operation.ts';
import { isOfLoopback } from '../../web/origins.ts';
import { NoParameters } from '../input/input.ts';

/** The metrics as text, gathered now, and the type that says so. */
type Scrape = () => Promise<{ type: string; text: string }>;

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;
// Those of RFC 7239 and 9110, and what proxies and networks of delivery say in their place.
const FORWARDED =
  /^(forwarded|via|x-real-ip|x-forwarded-.*|x-original-.*|x-envoy-.*|(x-|true-|cf-|fastly-|x-cluster-)(client|connecting)-ip)$/;

export function createMetricsOperations({ scrape }: { scrape: Scrape }): Operation[] {
  return [
    operation({
      id: 'show_metrics',
      method: 'get',
      path: '/metrics',
      summary: 'Tells an operator, or a client on the same machine, how much is going on, for Prometheus.',
      tag: 'health',
      access: ['admin'],
      isExempt: isLocal,
      cost: 0,
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

// A proxy on this machine asks for another client, and says so, or by a name that is not this machine's.
function isLocal({ req: { headers, socket } }: Context): boolean {
  if (Object.keys(headers).some(name => FORWARDED.test(name))) return false;
  return (
    LOOPBACK.test(socket.remoteAddress ?? '') && headers.host !== undefined && isOfLoopback(headers.host)
  );
}
