// The origin check: refuses what a browser sends for a page that has no business here, by a name that is not ours (DNS
// rebinding) or to change something (CSRF).
import type { Middleware } from 'koa';
import { ServiceError } from '../../errors.ts';
import type { Origins } from '../../web/origins.ts';

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']); // RFC 9110, section 9.2.1

/** Answers 403. A form, unlike a script, may be sent anywhere and with no content type that a route asks for. */
export function checkOrigin(origins: Origins): Middleware {
  return (ctx, next) => {
    const { headers } = ctx.req;
    const reason =
      origins.refuseHost(headers) ?? (SAFE.has(ctx.method) ? undefined : origins.refusePage(headers));
    if (reason !== undefined) throw new ServiceError('forbidden', reason);
    return next();
  };
}
