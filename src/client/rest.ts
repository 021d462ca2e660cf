// Asking the service over HTTP.
import type { Environment } from './environment.ts';

const PATIENCE = 30_000; // ms for an answer

/** What the service refused, as it said it (RFC 9457). */
export class Problem extends Error {
  declare status: number;
  declare type?: string;
  /** What is wrong where. */
  declare errors?: readonly { path: string; message: string }[];
  /** Of a moment or a position that cannot be had any more. */
  declare reason?: string;
  /** Of what may be asked again: not before so many ms. */
  declare wait?: number;

  /** Without a status nobody answered. */
  constructor(status: number, said?: { detail?: string; reason?: string }, wait?: number) {
    super(said?.detail ?? `${status}`);
    Object.assign(this, said, { name: 'Problem', status, wait });
  }
}

/** Asks for JSON; with an id it is a change, which happens once under it. Throws a Problem. */
export type Ask = <Answer>(path: string, id?: string, body?: string) => Promise<Answer>;

/** How to ask the service of an environment. */
export function createAsk(env: Environment): Ask {
  return async function ask<Answer>(path: string, id?: string, body?: string): Promise<Answer> {
    const token = await env.token.get();
    let response: Response;
    let said: unknown;
    try {
      response = await fetch(env.url + path, {
        method: id ? 'POST' : 'GET',
        signal: AbortSignal.timeout(PATIENCE),
        headers: {
          ...(id && { 'X-Request-Id': id, 'Idempotency-Key': id }),
          ...(body && { 'Content-Type': 'application/json' }),
          ...(token && { Authorization: `Bearer ${token}` }),
        },
        ...(body && { body }),
      });
      said = await response.json();
    } catch (error) {
      throw new Problem(0, { detail: `${error}` }, 0); // cut off, or it was not the service that answered
    }
    const { status, ok, headers } = response;
    if (ok) {
      env.token.accepted();
      return said as Answer;
    }
    if (status === 401 && env.token.refused()) return ask(path, id, body);
    const wait = Number(headers.get('Retry-After')) * 1_000;
    // Of a conflict only that with a request under the same key, which still runs, passes.
    const isPassing = status >= 500 || status === 429 || (status === 409 && wait);
    throw new Problem(status, said as object, isPassing ? wait : undefined);
  };
}

/** A query: each name with its values, or without where there are none. */
export function queryOf(words: Readonly<Record<string, unknown>>): string {
  const pairs = Object.entries(words).flatMap(([name, values]) =>
    [values ?? []].flat().map((value): [string, string] => [name, `${value}`]),
  );
  return `?${new URLSearchParams(pairs)}`;
}
