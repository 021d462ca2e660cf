// Gives every request a name, which its answer, its problem, its log line and the events it causes all carry.
import { randomUUID } from 'node:crypto';
import type { Context, Middleware } from 'koa';

const VISIBLE_ASCII = /^[\x21-\x7e]{1,200}$/;

/** Takes the client's X-Request-Id where it is 1 to 200 visible ASCII characters, else makes a UUID; echoes it. */
export function requestId(): Middleware {
  return (ctx, next) => {
    const given = ctx.get('X-Request-Id');
    ctx.state.requestId = VISIBLE_ASCII.test(given) ? given : randomUUID();
    ctx.set('X-Request-Id', ctx.state.requestId);
    return next();
  };
}

/** The name of this request. */
export function requestIdOf(ctx: Context): string {
  return ctx.state.requestId;
}
