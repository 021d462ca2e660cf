// Reads a JSON body: at most 1 MiB of it after decoding, in UTF-8, of a type that the route takes.
import type { IncomingMessage } from 'node:http';
import type { Context } from 'koa';
import bodyParser from 'koa-bodyparser';
import { ServiceError } from '../../errors.ts';
import { findDuplicateKey } from '../../parsing/duplicate_keys.ts';
import { parseExactly } from '../../parsing/exact_json.ts';
import { headerValues } from '../../web/header_values.ts';
import { askForBody } from './continue.ts';

export const JSON_TYPES = ['application/json'];
export const MERGE_PATCH_TYPES = ['application/merge-patch+json', 'application/json'];

const LIMIT_BYTES = 1024 * 1024;
const ENCODINGS = new Set(['identity', 'gzip', 'deflate', 'br']);

// The parser only collects, inflates and limits. Its own JSON mode would let wrong types through as {}, replace
// invalid UTF-8, and refuse "__proto__" as if it were broken JSON.
const options = {
  enableTypes: ['text'],
  extendTypes: { text: MERGE_PATCH_TYPES },
  textLimit: String(LIMIT_BYTES),
  encoding: null, // a Buffer
};
const collect = bodyParser(options);

/** The parsed body. Throws 400, 413 or 415 for what is not JSON, too much, or of another type. */
export async function readJson(ctx: Context, types: readonly string[]): Promise<unknown> {
  refuseType(ctx, types);
  refuseEncoding(ctx);
  if (Number(ctx.get('Content-Length')) > LIMIT_BYTES) throw tooLarge();
  askForBody(ctx.req);
  await Promise.race([collect(ctx, async () => {}), interruption(ctx.req)]).catch(explain);
  const value = parse(ctx.request.body);
  refuseDuplicateKeys(ctx.request.body);
  return value;
}

function refuseDuplicateKeys(bytes: unknown): void {
  const key = Buffer.isBuffer(bytes) ? findDuplicateKey(bytes) : undefined;
  if (key === undefined) return;
  throw new ServiceError(
    'malformed',
    `the key ${JSON.stringify(key.slice(0, 100))} stands twice in one object of the body`,
  );
}

function refuseType(ctx: Context, types: readonly string[]): void {
  // Node keeps the first of several.
  if (headerValues(ctx.req, 'content-type').length > 1)
    throw new ServiceError('malformed', 'Content-Type may stand only once');
  const header = ctx.get('Content-Type');
  if (header === '' && !hasBody(ctx))
    throw new ServiceError('malformed', 'a JSON body is expected, there is none');
  const type = header.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const charset = /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(header)?.[1]?.toLowerCase() ?? 'utf-8';
  if (types.includes(type) && (charset === 'utf-8' || charset === 'utf8')) return;
  throw new ServiceError('unsupported_media_type', `the body must be ${types.join(' or ')}, in UTF-8`, {
    headers: { Accept: types.join(', ') },
  });
}

function refuseEncoding(ctx: Context): void {
  const encoding = ctx.get('Content-Encoding').trim().toLowerCase() || 'identity';
  if (!ENCODINGS.has(encoding)) {
    const known = [...ENCODINGS].join(', ');
    throw new ServiceError('unsupported_media_type', `Content-Encoding must be one of ${known}`, {
      headers: { 'Accept-Encoding': known },
    });
  }
  // The parser knows codings in lower case only; to a client they are case-insensitive.
  ctx.req.headers['content-encoding'] = encoding;
}

function hasBody(ctx: Context): boolean {
  return Number(ctx.get('Content-Length')) > 0 || ctx.get('Transfer-Encoding') !== '';
}

// An inflating stream never ends when the request it reads from is cut off: without this the request would hang.
function interruption(request: IncomingMessage): Promise<never> {
  return new Promise((_, reject) => {
    request.once('close', () => {
      if (!request.complete) reject(new Error('the body ended early'));
    });
  });
}

function explain(error: unknown): never {
  if (error instanceof Error && 'type' in error && error.type === 'entity.too.large') throw tooLarge();
  throw new ServiceError('malformed', 'the body cannot be read: it is cut off or not encoded as it says', {
    cause: error,
  });
}

function tooLarge(): ServiceError {
  return new ServiceError('too_large', `the body has more than ${LIMIT_BYTES} bytes`);
}

function parse(bytes: unknown): unknown {
  if (!Buffer.isBuffer(bytes) || bytes.length === 0) throw new ServiceError('malformed', 'the body is empty');
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ServiceError('malformed', 'the body is not valid UTF-8');
  }
  try {
    return parseExactly(text);
  } catch (error) {
    const where = error instanceof SyntaxError ? `: ${error.message}` : '';
    throw new ServiceError('malformed', `the body is not valid JSON${where}`);
  }
}
