// Answers every error as application/problem+json (RFC 9457): what the catalogue knows, and nothing of the inside.
import type { Context, Middleware } from 'koa';
import { translateDatabaseError } from '../database/errors.ts';
import { CATALOGUE, type ErrorCode, ServiceError } from '../errors.ts';
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
    instance: ctx.path,
    request_id: requestIdOf(ctx),
    ...(error.reason !== undefined && { reason: error.reason }),
    ...(error.faults.length > 0 && { errors: error.faults }),
  };
}
