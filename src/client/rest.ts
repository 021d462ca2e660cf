// Asking the service over HTTP.
import type { Environment } from './environment.ts';

const PATIENCE = 30_000; // ms for an answer
const NOT_NOW: readonly number[] = [408, 429, 500, 502, 503, 504];

/** What the service refused, as it said it (RFC 9457). */
export class Problem extends Error {
  status: number;
  type: string | undefined;
  /** What is wrong where. */
  errors: readonly { path: string; message: string }[];
  /** Of a moment or a position that cannot be had any more. */
  reason: string | undefined;

  constructor(status: number, said: Partial<Problem> & { title?: string; detail?: string } = {}) {
    super(said.detail ?? said.title ?? `the service answered ${status}`);
    this.name = 'Problem';
    this.status = status;
    this.type = said.type;
    this.errors = said.errors ?? [];
    this.reason = said.reason;
  }
}

/** It is not known whether a request had an effect, or it had none now: it may be sent again. */
export class NotNow extends Error {
  /** Not before so many ms, as the service said. */
  wait: number;

  constructor(message: string, wait = 0) {
    super(message);
    this.wait = wait;
  }
}

/** A request's parts besides its path. */
export interface Asked {
  method?: string;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal | undefined;
}

/** Asks for JSON. Throws a Problem for what is refused, and NotNow for what may be asked again. */
export type Ask = <Answer>(path: string, asked?: Asked) => Promise<Answer>;

/** How to ask the service of an environment. */
export function createAsk(env: Environment): Ask {
  return async function ask<Answer>(path: string, asked: Asked = {}): Promise<Answer> {
    const token = await env.token.get();
    const ending = new AbortController();
    const end = () => ending.abort();
    const timer = env.clock.setTimeout(end, PATIENCE);
    asked.signal?.addEventListener('abort', end);
    let response: Response;
    let said: unknown;
    try {
      response = await fetch(env.url + path, {
        method: asked.method ?? 'GET',
        signal: ending.signal,
        headers: {
          ...(asked.body !== undefined && { 'Content-Type': 'application/json' }),
          ...(token && { Authorization: `Bearer ${token}` }),
          ...asked.headers,
        },
        ...(asked.body !== undefined && { body: JSON.stringify(asked.body) }),
      });
      const text = await response.text();
      said = text && /json/.test(response.headers.get('Content-Type') ?? '') ? JSON.parse(text) : undefined;
    } catch (error) {
      asked.signal?.throwIfAborted();
      throw new NotNow(String(error));
    } finally {
      env.clock.clearTimeout(timer);
      asked.signal?.removeEventListener('abort', end);
    }
    const { status, ok, headers } = response;
    if (ok) {
      env.token.accepted();
      return said as Answer;
    }
    if (status === 401 && env.token.refused()) return ask(path, asked);
    const wait = Number(headers.get('Retry-After'));
    // Of a conflict only that with a request under the same key, which still runs, passes.
    if (NOT_NOW.includes(status) || (status === 409 && wait))
      throw new NotNow(`${status}`, wait * 1_000 || 0);
    throw new Problem(status, said as object);
  };
}
