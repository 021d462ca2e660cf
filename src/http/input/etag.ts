// ETags are versions. What a client says about them: If-None-Match to be spared a body, If-Match to be sure.
import type { Context } from 'koa';
import { z } from 'zod';
import { isKnownTag, plainTag, tagsOf } from '../../web/entity_tag.ts';

const ENTITY_TAG = /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;
const VERSION = /^"([1-9]\d{0,14})"$/;

const tagList = z.string().refine(text => text === '*' || tagsOf(text).every(tag => ENTITY_TAG.test(tag)), {
  error: 'must be "<version>", a list of such, or *',
  abort: true,
});

/** Sends an entity, or 304 when the client has it already. */
export function sendEntity(ctx: Context, { version, document }: { version: number; document: string }): void {
  ctx.set('ETag', etag(version));
  ctx.set('Cache-Control', 'no-cache');
  ctx.type = 'application/json';
  ctx.body = document;
  if (reads(ctx) && isKnownTag(ctx.get('If-None-Match'), etag(version))) ctx.status = 304;
}

/** If-Match: the versions that it allows; undefined if any will do. */
export const ifMatch = tagList
  // A weak tag never matches here (RFC 9110, section 13.1.1), nor does one that no version ever had.
  .transform(text => (text === '*' ? undefined : versionsOf(text)))
  .optional()
  .meta({ description: 'The version that may be changed, such as `"3"`; another one is 412.' });

/**
 * If-None-Match of a write: the versions that it refuses, compared weakly; `*` is whichever there is (RFC 9110, section
 * 13.1.2).
 */
export const ifNoneMatchOfWrite = tagList
  .transform((text): '*' | number[] => (text === '*' ? text : versionsOf(text.replaceAll('W/', ''))))
  .optional()
  .meta({ description: 'A version that may not be changed, such as `"3"`, or `*` for any; it is 412.' });

/** If-None-Match, which sendEntity() reads. */
export const ifNoneMatch = z
  .string()
  .optional()
  .meta({ description: 'The ETag of what the client has; if it is still that, the answer is 304.' });

export const ETAG_HEADER = { ETag: 'The version, in quotes.' };

function versionsOf(text: string): number[] {
  return tagsOf(text)
    .flatMap(tag => VERSION.exec(plainTag(tag))?.[1] ?? [])
    .map(Number);
}

function etag(version: number): string {
  return `"${version}"`;
}

function reads(ctx: Context): boolean {
  return ctx.method === 'GET' || ctx.method === 'HEAD';
}
