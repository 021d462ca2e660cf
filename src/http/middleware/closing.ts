// Ends a connection whose client may still be sending, so that the client nevertheless sees its answer.
import { finished, PassThrough } from 'node:stream';
import type { Context } from 'koa';

const PATIENCE_MS = 2_000;

/**
 * Sends the answer (a text) at once, but closes only when the client has stopped sending or patience is over. What
 * it sends until then is thrown away: closing a socket with unread bytes resets it, and the reset can overtake the
 * answer.
 */
export function closeAfterAnswer(ctx: Context): void {
  const text = Buffer.from(String(ctx.body));
  const answer = new PassThrough();
  answer.write(text);
  ctx.set('Connection', 'close');
  ctx.body = answer;
  ctx.length = text.length;
  const end = () => {
    clearTimeout(timer);
    answer.end();
  };
  const timer = setTimeout(end, PATIENCE_MS);
  finished(ctx.req, { writable: false }, end);
  ctx.req.unpipe();
  ctx.req.resume();
}
