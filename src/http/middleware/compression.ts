// Sends large answers compressed to those who take it. Streams are left alone: an event must not wait for the next.
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Context, Middleware } from 'koa';
import { type Coding, codedTag, tagsOf } from '../../web/entity_tag.ts';

const LEAST = 1_024; // bytes, or characters of a text: what fits into a packet anyway gains nothing
const COMPRESSIBLE = /^(text\/(?!event-stream)|application\/([\w.-]+\+)?(json|javascript|xml)\b|image\/svg)/;

// Of middling effort: the answers are made for each request anew.
const compressors = {
  br: (bytes: Buffer) =>
    promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
  gzip: (bytes: Buffer) => promisify(gzip)(bytes, { level: 5 }),
};

/** Compresses texts of 1 KiB and more with br or gzip, as Accept-Encoding asks. */
export function compression(): Middleware {
  return async (ctx, next) => {
    await next();
    if (ctx.status === 304) return keepTag(ctx);
    const content = compressibleContent(ctx);
    if (content === undefined) return;
    ctx.vary('Accept-Encoding');
    const coding = ctx.acceptsEncodings('br', 'gzip', 'identity');
    if (coding !== 'br' && coding !== 'gzip') return;
    ctx.body = await compressors[coding](Buffer.from(content));
    ctx.set('Content-Encoding', coding);
    if (ctx.res.hasHeader('ETag')) ctx.set('ETag', codedTag(ctx.response.get('ETag'), coding));
  };
}

// The tag of the representation that the client has (RFC 9110, section 15.4.5).
function keepTag(ctx: Context): void {
  ctx.vary('Accept-Encoding');
  if (!ctx.res.hasHeader('ETag')) return;
  const known = tagsOf(ctx.get('If-None-Match')).map(tag => tag.replace(/^W\//, ''));
  const codings: Coding[] = ['br', 'gzip'];
  const its = codings
    .map(coding => codedTag(ctx.response.get('ETag'), coding))
    .find(tag => known.includes(tag));
  if (its) ctx.set('ETag', its);
}

function compressibleContent(ctx: Context): string | Buffer | undefined {
  const { body } = ctx;
  if (ctx.respond === false || ctx.res.hasHeader('Content-Encoding')) return undefined;
  if (!COMPRESSIBLE.test(ctx.response.get('Content-Type'))) return undefined;
  if (/\bno-transform\b/.test(ctx.response.get('Cache-Control'))) return undefined;
  const isContent = typeof body === 'string' || Buffer.isBuffer(body);
  return isContent && body.length >= LEAST ? body : undefined;
}
