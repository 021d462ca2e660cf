// Refuses a request that does not say once, and readably, which host it is for (RFC 9112, section 3.2): of two, a proxy
// may have checked the one and the origin check the other.
import type { IncomingMessage } from 'node:http';
import type { Middleware } from 'koa';
import { ServiceError } from '../../errors.ts';
import { headerValues } from '../../web/header_values.ts';

const HOST = /^(\[[\da-f:.]+\]|[^\s[\]:/?#@\\]*)(:\d{0,5})?$/i;

/** Answers 400. Stands inside of what answers errors. */
export function oneHost(): Middleware {
  return (ctx, next) => {
    const reason = refusalOf(ctx.req);
    if (reason !== undefined) throw new ServiceError('malformed', reason);
    return next();
  };
}

function refusalOf({ rawHeaders, headers: { host }, httpVersion }: IncomingMessage): string | undefined {
  if (host === undefined) return httpVersion === '1.0' ? undefined : 'the Host header is missing';
  if (headerValues({ rawHeaders }, 'host').length > 1) return 'Host may stand only once';
  return HOST.test(host) ? undefined : 'Host must be a host name or an address, and its port';
}
