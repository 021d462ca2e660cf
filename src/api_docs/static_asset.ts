// What is served as it is: some bytes, their type and a strong ETag.
import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import { z } from 'zod';
import { isKnownTag } from '../web/entity_tag.ts';

export interface StaticAsset {
  type: string;
  body: Buffer;
  /** A strong one (RFC 9110, section 8.8.3), quotes included. */
  etag: string;
}

/** The header that send() reads. */
export const StaticAssetHeaders = z.object({
  'If-None-Match': z
    .string()
    .optional()
    .meta({ description: 'The ETag of what the client has; if it is still that, the answer is 304.' }),
});

/** The query of what is served so. */
export const NoParameters = z.strictObject({});

/** What an operation answers that is served so, of a type or one of several. */
export function answersOf(
  type: string | readonly string[],
  schema?: z.ZodType,
  more: Readonly<Record<string, string>> = {},
) {
  const headers = { ETag: 'Of these very bytes.', ...more };
  return {
    200: { description: 'It.', type, schema, headers },
    304: { description: 'The client has it already.', headers },
  };
}

export function staticAsset(type: string, content: Buffer | string): StaticAsset {
  const body = Buffer.from(content);
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { type, body, etag };
}

/** Sends it, or 304 when the client has it. Caches ask again each time, unless its address changes with it. */
export function send(
  ctx: Context,
  { type, body, etag }: StaticAsset,
  how: { immutable?: boolean } = {},
): void {
  ctx.set({ ETag: etag, 'Cache-Control': how.immutable ? FOR_EVER : 'public, no-cache' });
  ctx.type = type;
  ctx.body = body;
  if (isKnownTag(ctx.get('If-None-Match'), etag)) ctx.status = 304;
}

const FOR_EVER = 'public, max-age=31536000, immutable';
