// What a request's changes are signed with.
import type { Context } from 'koa';
import type { Author } from '../../queries/origin.ts';
import { callerOf } from '../../web/access.ts';
import { requestIdOf } from './request_id.ts';

/** The request that changes are made for, and the token that it was sent with. */
export function authorOf(ctx: Context): Author {
  return { requestId: requestIdOf(ctx), token: callerOf(ctx.req).token?.id ?? null };
}
