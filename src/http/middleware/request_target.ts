// Answers requests whose target is no URL, such as http://[/ (RFC 9112, section 3.2): Koa throws at each look at its path.
import type { Context, Middleware } from 'koa';
import { ServiceError } from '../../errors.ts';

/** Puts / in the place of a target that cannot be read, so that the request can be named and answered at all. */
export function readableTarget(): Middleware {
  return (ctx, next) => {
    if (!isReadable(ctx)) {
      ctx.req.url = '/';
      ctx.state.unreadableTarget = true;
    }
    return next();
  };
}

/** Answers 400 to what readableTarget() has marked. Stands inside of what answers errors. */
export function refuseUnreadable(): Middleware {
  return (ctx, next) => {
    if (ctx.state.unreadableTarget) throw new ServiceError('malformed', 'the request target is no URL');
    return next();
  };
}

function isReadable(ctx: Context): boolean {
  try {
    return typeof ctx.path === 'string';
  } catch {
    return false;
  }
}
