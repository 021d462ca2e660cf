// ETags are versions. What a client says about them: If-None-Match to be spared a body, If-Match to be sure.
import type { Context } from 'koa';
import { isKnownTag, tagsOf } from '../entity_tag.ts';
import { ServiceError } from '../errors.ts';

const ENTITY_TAG = /^(W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;
const VERSION = /^"([1-9]\d{0,14})"$/;

/** Sends an entity, or 304 when the client has it already. */
export function sendEntity(ctx: Context, { version, document }: { version: number; document: string }): void {
  ctx.set('ETag', etag(version));
  ctx.set('Cache-Control', 'no-cache');
  ctx.type = 'application/json';
  ctx.body = document;
  if (reads(ctx) && isKnownTag(ctx.get('If-None-Match'), etag(version))) ctx.status = 304;
}

/** The versions that If-Match allows; undefined if any will do. Throws 400 for what is no list of ETags. */
export function expectedVersions(ctx: Context): number[] | undefined {
  const header = ctx.get('If-Match').trim();
  if (header === '' || header === '*') return undefined;
  const tags = tagsOf(header);
  if (!tags.every(tag => ENTITY_TAG.test(tag))) {
    throw new ServiceError('malformed', 'If-Match must be "<version>", a list of such, or *');
  }
  // A weak tag never matches here (RFC 9110, section 13.1.1), nor does one that no version ever had.
  return tags.flatMap(tag => VERSION.exec(tag)?.[1] ?? []).map(Number);
}

function etag(version: number): string {
  return `"${version}"`;
}

function reads(ctx: Context): boolean {
  return ctx.method === 'GET' || ctx.method === 'HEAD';
}
