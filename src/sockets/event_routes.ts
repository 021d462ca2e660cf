// GET /events: the log in pages, with long poll; GET /events/stream: the same as Server-Sent Events. Both are
// subscriptions like a socket's.
import { Router } from '@koa/router';
import type { Context } from 'koa';
import { isKnownTag } from '../entity_tag.ts';
import { ServiceError } from '../errors.ts';
import type { FeedEvent } from '../events.ts';
import type { Hub } from '../feed/hub.ts';
import type { Head, Log } from '../feed/log_reader.ts';
import { judge, RESETS, type ResetReason, subscribe } from '../feed/subscription.ts';
import type { Logger } from '../logger.ts';
import { type Place, readLastEventId, readParameters, sentence, type Wanted } from './parameters.ts';
import { createSession } from './session.ts';
import type { Sessions } from './sessions.ts';
import { createStreamChannel } from './stream_channel.ts';

export interface EventRoutesOptions {
  hub: Hub;
  log: Log;
  sessions: Sessions;
  logger: Logger;
}

const PAGE: Place = { takes: ['after', 'log', 'limit', 'wait'] };
const STREAM: Place = { takes: ['after', 'log'] };
const DEFAULT_LIMIT = 100;

/** GET /events and GET /events/stream. */
export function createEventRouter(options: EventRoutesOptions): Router {
  const router = new Router();
  router.get('/events', ctx => sendPage(ctx, options));
  router.get('/events/stream', ctx => stream(ctx, options));
  return router;
}

async function sendPage(ctx: Context, options: EventRoutesOptions): Promise<void> {
  const wanted = await parametersOf(ctx, PAGE, options.log);
  const { after = 0, limit = DEFAULT_LIMIT } = wanted;
  const head = await headFor({ ...wanted, after }, options.log);
  const { events, position } = await collect(ctx, { ...wanted, after, limit }, head, options);
  const isFull = events.length === limit;
  const next = isFull ? (events.at(-1)?.position ?? after) : position;
  // A full page of a log that is named says nothing that can change.
  const isFixed = isFull && wanted.log !== undefined;
  const data = events.map(event => event.json).join(',');
  const now = isFixed ? '' : `"head":${Math.max(head.head, position)},`;
  ctx.type = 'application/json';
  ctx.body = `{"data":[${data}],${now}"next_after":${next}}`;
  ctx.set('Cache-Control', isFixed ? 'public, max-age=31536000, immutable' : 'no-store');
  if (!isFixed) return;
  const etag = `"${head.log}/${after}-${next}"`;
  ctx.set('ETag', etag);
  if (isKnownTag(ctx.get('If-None-Match'), etag)) ctx.status = 304;
}

// What there is after a position, at most `limit` of it; if there is nothing, what comes within `wait` seconds.
async function collect(
  ctx: Context,
  { after, limit, wait = 0, filter }: Wanted & { after: number; limit: number },
  head: Head,
  { hub, log, sessions }: EventRoutesOptions,
): Promise<{ events: readonly FeedEvent[]; position: number }> {
  const events: FeedEvent[] = [];
  const done = Promise.withResolvers<void>();
  let live = false;
  let waiting = wait > 0;
  const outlet = {
    write(event: FeedEvent) {
      events.push(event);
      if (events.length === limit) done.resolve();
      else if (live) setImmediate(done.resolve); // the rest of a batch comes in the same breath
      return events.length < limit;
    },
    caughtUp() {
      live = true;
      if (!waiting || events.length > 0) done.resolve();
    },
    ended: (reason: ResetReason) => done.reject(gone(reason)),
  };
  const subscription = subscribe({ hub, log, head, after, filter, outlet });
  // However long the log is, whoever reads on gets on: what was looked through until now is a page.
  const give = () => (subscription.position > after ? done.resolve() : done.reject(unreadable()));
  const giveUp = setTimeout(give, wait * 1_000 + PATIENCE);
  const timer = setTimeout(() => {
    waiting = false;
    if (live) done.resolve();
  }, wait * 1_000);
  const stop = () => done.resolve();
  sessions.ending.addEventListener('abort', stop);
  if (sessions.ending.aborted || ctx.res.destroyed) stop();
  ctx.res.once('close', stop);
  try {
    await done.promise;
    return { events, position: subscription.position };
  } finally {
    clearTimeout(timer);
    clearTimeout(giveUp);
    sessions.ending.removeEventListener('abort', stop);
    subscription.close();
  }
}

async function stream(ctx: Context, { hub, log, sessions, logger }: EventRoutesOptions): Promise<void> {
  const wanted = await parametersOf(ctx, STREAM, log);
  const after = lastEventId(ctx) ?? wanted.after;
  const head = await headFor({ ...wanted, after }, log);
  if (ctx.res.destroyed) return; // it has hung up meanwhile, and will not do so again
  ctx.status = 200;
  ctx.set(STREAM_HEADERS);
  if (ctx.method === 'HEAD') return;
  ctx.respond = false;
  ctx.res.write(`retry: ${RECONNECT}\n\n`);
  const entry = sessions.enter(clientOf(ctx));
  const channel = createStreamChannel(ctx.res);
  channel.onClose(entry.left);
  const options = { channel, hub, log, head, filter: wanted.filter, snapshot: [], logger };
  entry.serve(createSession({ ...options, after: after ?? head.head }));
}

const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no', // nginx would gather the events
};
const RECONNECT = 1_000; // ms a browser waits before it comes back
const PATIENCE = 10_000; // ms to read a page of the log

function clientOf(ctx: Context) {
  return {
    kind: 'stream',
    address: ctx.req.socket.remoteAddress,
    request_id: ctx.response.get('X-Request-Id') || undefined,
    path: ctx.path,
    cut: () => void ctx.res.destroy(),
  } as const;
}

async function parametersOf(ctx: Context, place: Place, log: Log): Promise<Wanted> {
  const wanted = await readParameters(new URLSearchParams(ctx.querystring), place, log.topics);
  if (!Array.isArray(wanted)) return wanted;
  throw new ServiceError('malformed', sentence(wanted), { faults: wanted });
}

// The header wins: a browser that comes back sends the address that it began with.
function lastEventId(ctx: Context): number | undefined {
  const text = ctx.get('Last-Event-ID');
  if (text === '') return undefined;
  const after = readLastEventId(text);
  if (typeof after === 'number') return after;
  throw new ServiceError('malformed', sentence([after]), { faults: [after] });
}

async function headFor(
  wanted: { after?: number | undefined; log?: string | undefined },
  log: Log,
): Promise<Head> {
  const head = await log.head();
  const reason = judge(head, { after: wanted.after, log: wanted.log });
  if (reason) throw gone(reason);
  return head;
}

function gone(reason: ResetReason): ServiceError {
  return new ServiceError('gone', `${RESETS[reason]}; begin with the present state`, { reason });
}

function unreadable(): ServiceError {
  return new ServiceError('unavailable', 'the log cannot be read now; try again', {
    headers: { 'Retry-After': '1' },
  });
}
