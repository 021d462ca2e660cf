// CORS (WHATWG Fetch, section 3.3): lets pages of the origins that are named in ALLOWED_ORIGINS read what is answered, and
// ask with what headers they need. Without cookies: a token is sent by the page's own hand.
import type { Context, Middleware } from 'koa';

const EXPOSED = [
  'ETag',
  'Location',
  'Link',
  'Retry-After',
  'X-Request-Id',
  'Taskwire-Log',
  'Stream-Next-Offset',
  'Stream-Up-To-Date',
  'Stream-Cursor',
  'Idempotent-Replayed',
  'RateLimit',
  'RateLimit-Policy',
  'WWW-Authenticate',
].join(', ');
const TAKEN = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Last-Event-ID',
  'X-Request-Id',
].join(', ');
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const PREFLIGHT_KEPT = '600'; // seconds: a browser asks again afterwards, and so hears of an origin that went

/** Stands around what answers errors, which pages are to read as well; it answers preflights itself. */
export function cors(allowed: readonly string[]): Middleware {
  const origins = new Set(allowed);
  if (origins.size === 0) return (_ctx, next) => next();
  return (ctx, next) => {
    ctx.vary('Origin'); // an answer to another origin, or to none, has other headers
    const origin = ctx.get('Origin');
    if (!origins.has(origin)) return next();
    ctx.set({ 'Access-Control-Allow-Origin': origin, 'Access-Control-Expose-Headers': EXPOSED });
    if (!isPreflight(ctx)) return next();
    ctx.vary('Access-Control-Request-Method');
    ctx.vary('Access-Control-Request-Headers');
    ctx.set({
      'Access-Control-Allow-Methods': METHODS,
      'Access-Control-Allow-Headers': TAKEN,
      'Access-Control-Max-Age': PREFLIGHT_KEPT,
    });
    ctx.status = 204;
    return undefined;
  };
}

function isPreflight(ctx: Context): boolean {
  return ctx.method === 'OPTIONS' && ctx.get('Access-Control-Request-Method') !== '';
}
