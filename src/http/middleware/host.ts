// Refuses a request that does not say once, and readably, which host it is for (RFC 9112, section 3.2): of two, a proxy
// may have checked the one and the origin check the other.
import type { IncomingMessage } from 'node:http';
import type { Middleware } from 'koa';
import { ServiceError } from '../../errors.ts';

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
  if (countOf(rawHeaders) > 1) return 'Host may stand only once';
  return HOST.test(host) ? undefined : 'Host must be a host name or an address, and its port';
}

// Names and values by turns. Node keeps the first Host alone, and headersDistinct is made of all headers for each request.
function countOf(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2)
    if (rawHeaders[index]?.length === 4 && rawHeaders[index]?.toLowerCase() === 'host') count++;
  return count;
}
