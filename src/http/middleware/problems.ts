// Answers every error as application/problem+json (RFC 9457): what the catalogue knows, and nothing of the inside.
import type { Context, Middleware } from 'koa';
import { z } from 'zod';
import { CATALOGUE, type ErrorCode, ServiceError } from '../../errors.ts';
import { translateDatabaseError } from '../../postgres/errors.ts';
import { closeAfterAnswer } from './closing.ts';
import { requestIdOf } from './request_id.ts';

/** Turns whatever is thrown further in into a problem; failureOf() tells the log why. */
export function problems(): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      answer(ctx, toServiceError(error));
    }
  };
}

/** A problem as it is answered. */
export const Problem = z
  .object({
    type: z.string().meta({ format: 'uri-reference', description: 'A page that explains it.' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().meta({ format: 'uri-reference', description: 'The path that was asked for.' }),
    request_id: z.string().meta({ description: 'Names the request in the log of the service.' }),
    reason: z.string().optional().meta({ description: 'A word for programs, where one type has several.' }),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .meta({
        description: 'Every fault: a JSON Pointer into the body, or the name of a parameter or header.',
      }),
  })
  .meta({
    id: 'Problem',
    description: 'What went wrong (RFC 9457), as application/problem+json.',
    example: {
      type: '/problems/invalid',
      title: 'The content is invalid',
      status: 422,
      detail: '/title is required',
      instance: '/tasks',
      request_id: '6e4f3a8e-6d0f-4f0e-9a53-0f0e3f1c2b7d',
      errors: [{ path: '/title', message: 'is required' }],
    },
  });

/** What a problem's `type` is: a path that answers with an explanation. */
export function problemType(code: ErrorCode): string {
  return `/problems/${code.replaceAll('_', '-')}`;
}

/** The error behind a problem with status 5xx. */
export function failureOf(ctx: Context): unknown {
  return ctx.state.failure;
}

function toServiceError(error: unknown): ServiceError {
  return (
    translateDatabaseError(error) ??
    new ServiceError('internal', 'the service failed; the log knows more under this request_id', {
      cause: error,
    })
  );
}

function answer(ctx: Context, error: ServiceError): void {
  const { status } = CATALOGUE[error.code];
  if (status >= 500) ctx.state.failure = error.cause ?? error;
  ctx.status = status;
  // Of what was to be answered before it failed.
  for (const name of ['ETag', 'Location', 'Link']) ctx.remove(name);
  ctx.set({ 'Cache-Control': 'no-store', ...error.headers, 'Content-Type': 'application/problem+json' });
  ctx.body = JSON.stringify(toProblem(ctx, error));
  if (error.code === 'too_large') closeAfterAnswer(ctx);
}

function toProblem(ctx: Context, error: ServiceError) {
  const { status, title } = CATALOGUE[error.code];
  return {
    type: problemType(error.code),
    title,
    status,
    detail: error.message,
    instance: referenceTo(ctx.path),
    request_id: requestIdOf(ctx),
    ...(error.reason !== undefined && { reason: error.reason }),
    ...(error.faults.length > 0 && { errors: error.faults }),
  };
}

// A path may hold what no URI does (RFC 3986, section 3.3), such as a % that encodes nothing.
function referenceTo(path: string): string {
  return path.replaceAll(/%(?![0-9a-f]{2})|[^\w\-.~!$&'()*+,;=:@/%]/gi, encodeURIComponent);
}
