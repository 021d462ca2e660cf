// Answers every error as application/problem+json (RFC 9457): what the catalogue knows, and nothing of the inside.
import type { Context, Middleware } from 'koa';
import { z } from 'zod';
import { CATALOGUE, type ErrorCode, ServiceError } from '../../errors.ts';
import { translateDatabaseError } from '../../postgres/errors.ts';
import { readsEventStream } from '../../web/event_stream.ts';
import { closeAfterAnswer } from './closing.ts';
import { requestIdOf } from './request_id.ts';

/** Turns whatever is thrown further in into a problem; failureOf() tells the log why. */
export function problems(): Middleware {
  return async (ctx, next) => {
    try {
      await next();
    } catch (error) {
      const known = toServiceError(error);
      const { status } = CATALOGUE[known.code];
      if (status >= 500) ctx.state.failure = known.cause ?? known;
      if (passes(status) && readsEventStream(ctx.req)) sendAway(ctx, known);
      else answer(ctx, known);
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

/** The problem that an error is, for the request to this path. */
export function problemOf(
  error: ServiceError,
  { path, requestId }: { path: string; requestId: string },
): z.infer<typeof Problem> {
  const { status, title } = CATALOGUE[error.code];
  return {
    type: problemType(error.code),
    title,
    status,
    detail: error.message,
    instance: referenceTo(path),
    request_id: requestId,
    ...(error.reason !== undefined && { reason: error.reason }),
    ...(error.violations.length > 0 && { errors: [...error.violations] }),
  };
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

// By itself, and a browser's stream comes back by itself.
const passes = (status: number) => status >= 500 || status === CATALOGUE.too_many_requests.status;

// Any status but 200 ends an EventSource for good (WHATWG HTML, section 9.2.3); from a stream that has ended it comes
// back by itself. The words are a comment, which no client takes for an event.
function sendAway(ctx: Context, error: ServiceError): void {
  ctx.status = 200;
  ctx.set({ 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store, no-transform' });
  ctx.body = `: ${error.message}\n\n`;
}

function answer(ctx: Context, error: ServiceError): void {
  ctx.status = CATALOGUE[error.code].status;
  // Of what was to be answered before it failed.
  for (const name of ['ETag', 'Location', 'Link']) ctx.remove(name);
  ctx.set({ 'Cache-Control': 'no-store', ...error.headers, 'Content-Type': 'application/problem+json' });
  ctx.body = JSON.stringify(problemOf(error, { path: ctx.path, requestId: requestIdOf(ctx) }));
  if (error.code === 'too_large') closeAfterAnswer(ctx);
}

// A path may hold what no URI does (RFC 3986, section 3.3), such as a % that encodes nothing.
function referenceTo(path: string): string {
  return path.replaceAll(/%(?![0-9a-f]{2})|[^\w\-.~!$&'()*+,;=:@/%]/gi, encodeURIComponent);
}
