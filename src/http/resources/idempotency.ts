// Idempotency-Key: an operation asked again under the same key has its effect once and answers the same.
import { createHash } from 'node:crypto';
import { ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { Context } from 'koa';
import { z } from 'zod';
import { ServiceError } from '../../errors.ts';
import type { Connection, DatabasePool } from '../../postgres/pool.ts';
import { claimKey, type KeptAnswer, type KeyedRequest, keepAnswer } from '../../queries/idempotency.ts';
import { callerOf } from '../../web/access.ts';
import { headerValues } from '../../web/header_values.ts';
import type { Answer, Operation } from '../../web/operation.ts';
import { refusal } from '../input/input.ts';

const HEADER = 'Idempotency-Key';
const REPLAYED = 'Idempotent-Replayed';
const KEPT_HEADERS = ['Content-Type', 'Cache-Control', 'ETag', 'Location'];
const PATIENCE = 3_000; // ms that a request may be waited for which has the key now: less than a lock may be
const SHORTEST_PAUSE = 20; // ms until that is looked at again; twice as long each time
const LONGEST_PAUSE = 250; // ms
const RULE = 'must be 1 to 255 visible ASCII characters or spaces';

const KeyHeader = z.object({
  [HEADER]: z
    .string()
    .regex(/^[\x20-\x7e]{1,255}$/, { error: RULE })
    .optional()
    .meta({
      description:
        'A name of your choice for this request: sent again within 24 hours, it has no new effect.',
    }),
});

/**
 * An operation that takes an Idempotency-Key; it does its work on the connection that it is given. With a key all of it,
 * and the answer that is kept, is one transaction: what fails, or is refused, leaves nothing behind and may be sent again.
 */
export function withKey(pool: DatabasePool, plain: Operation<[connection: Connection]>): Operation {
  const { headers = z.object({}), answers, refusals = [] } = plain;
  return {
    ...plain,
    headers: headers.extend(KeyHeader.shape),
    answers: Object.fromEntries(
      Object.entries(answers).map(([status, answer]) => [status, replayable(answer)]),
    ),
    refusals: [...refusals, 'conflict', 'invalid'],
    async handle(ctx, input) {
      const key = keyOf(ctx);
      if (key === undefined) return plain.handle(ctx, input, pool);
      const token = callerOf(ctx.req).token?.id ?? '';
      const request = { key, token, digest: digestOf(ctx, token, input.body) };
      const act = (detached: Context, connection: Connection) => plain.handle(detached, input, connection);
      const answer = await inTurn(ctx, () =>
        pool.transaction(connection => once(ctx, connection, request, act)),
      );
      send(ctx, answer);
    },
  };
}

// Until one attempt is its turn. In between no connection is held: however many wait, others get on, and so does the one
// that they wait for.
async function inTurn(ctx: Context, attempt: () => Promise<Given | undefined>): Promise<Given> {
  const deadline = performance.now() + PATIENCE;
  for (let wait = SHORTEST_PAUSE; ; wait = Math.min(2 * wait, LONGEST_PAUSE)) {
    const answer = await attempt();
    if (answer) return answer;
    if (performance.now() >= deadline || ctx.res.destroyed)
      throw new ServiceError('conflict', `a request with this ${HEADER} has not ended yet`, {
        headers: { 'Retry-After': '1' },
      });
    await pause(wait);
  }
}

/** An answer, and whether it was given before. */
interface Given extends KeptAnswer {
  isReplayed: boolean;
}

// Undefined: another request is at it. Nothing here may touch the request's own answer: a transaction whose connection is
// lost fails at once, while what was begun in it goes on, and what that wrote would be sent although nothing is committed.
async function once(
  ctx: Context,
  connection: Connection,
  request: KeyedRequest,
  act: (detached: Context, connection: Connection) => unknown,
): Promise<Given | undefined> {
  const claim = await claimKey(connection, request);
  if (claim.outcome === 'running') return undefined;
  if (claim.outcome === 'kept') return { ...claim, isReplayed: true };
  if (claim.outcome === 'another')
    throw refusal('invalid', [
      { path: HEADER, message: 'is that of another request: its path or its body differs' },
    ]);
  const detached = detach(ctx);
  await act(detached, connection);
  const { res, response, status, body } = detached;
  const headers = KEPT_HEADERS.filter(name => res.hasHeader(name)).map(name => [name, response.get(name)]);
  const answer = { status, headers: Object.fromEntries(headers), body: String(body) };
  await keepAnswer(connection, request, answer);
  return { ...answer, isReplayed: false };
}

// The same request with an answer of its own, which goes nowhere.
function detach({ app, req, state }: Context): Context {
  return Object.assign(app.createContext(req, new ServerResponse(req)), { state });
}

function send(ctx: Context, { status, headers, body, isReplayed }: Given): void {
  ctx.status = status;
  ctx.set({ ...headers, ...(isReplayed && { [REPLAYED]: 'true' }) });
  ctx.body = body;
}

// Two would be read as one with a comma, and an empty one as none: a client that sends such a thing believes to be safe.
function keyOf(ctx: Context): string | undefined {
  const [key, ...others] = headerValues(ctx.req, HEADER.toLowerCase());
  if (others.length > 0) throw refusal('malformed', [{ path: HEADER, message: 'may stand only once' }]);
  if (key?.trim() === '') throw refusal('malformed', [{ path: HEADER, message: RULE }]);
  return key?.trim();
}

// Of the body as it was understood, so that its white space and the order of its fields do not matter.
function digestOf(ctx: Context, token: string, body: unknown): Buffer {
  const parts = [ctx.method, ctx.path, ctx.querystring, token, body ?? null];
  return createHash('sha256').update(JSON.stringify(parts)).digest();
}

function replayable(answer: Answer): Answer {
  return {
    ...answer,
    headers: { ...answer.headers, [REPLAYED]: '`true` where it is an answer given before.' },
  };
}
