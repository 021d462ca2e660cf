// GET /events: the log in pages, with long poll; GET /events/stream: the same as Server-Sent Events. Both are
// subscriptions like a socket's.
import type { Context } from 'koa';
import { z } from 'zod';
import { ServiceError } from '../errors.ts';
import { EventEnvelope, type FeedEvent, PAGE_BYTES } from '../events.ts';
import type { Hub } from '../feed/hub.ts';
import type { Head, Log } from '../feed/log_reader.ts';
import { canResume, RESETS, type ResetReason, subscribe } from '../feed/subscription.ts';
import type { Logger } from '../logger.ts';
import { callerOf, requirementOf, TOKEN_ENDED, unauthenticated, visibleTopicsOf } from '../web/access.ts';
import { isKnownTag } from '../web/entity_tag.ts';
import { readsEventStream } from '../web/event_stream.ts';
import { COST, type Operation, operation } from '../web/operation.ts';
import type { Channel } from './channel.ts';
import { streamControl } from './frames.ts';
import {
  type FeedEndpoint,
  lastEventId,
  querySchemaOf,
  sentence,
  toWanted,
  type Wanted,
} from './parameters.ts';
import type { Places } from './places.ts';
import { createSession } from './session.ts';
import type { Sessions } from './sessions.ts';
import { createStreamChannel } from './stream_channel.ts';

/** What the log is read from, and who tells when that has to end. */
export interface Readable {
  hub: Hub;
  log: Log;
  sessions: Sessions;
  /** How many there is room for. */
  places: Places;
}

interface EventOptions extends Readable {
  logger: Logger;
}

const ACCESS = requirementOf(undefined);
const PAGE: FeedEndpoint = { access: ACCESS, takes: ['after', 'log', 'limit', 'wait', 'compact'] };
const STREAM: FeedEndpoint = { access: ACCESS, takes: ['after', 'log'] };
const DEFAULT_LIMIT = 100;
const LOG = 'Taskwire-Log';
const LOG_HEADER = { [LOG]: 'The present epoch of the log: the one told last is what to send as `log`.' };
const PAGE_HEADERS = { ...LOG_HEADER, ETag: 'Of a page that never changes.' };

const EventPage = z
  .object({
    data: z.array(EventEnvelope),
    head: z
      .int()
      .optional()
      .meta({ description: 'The last position there is; not on a page that never changes.' }),
    next_after: z.int().meta({ description: 'What the next page is asked for with, as `after`.' }),
  })
  .meta({ id: 'EventPage', description: 'Events in their order.' });

/** GET /events and GET /events/stream. */
export function createEventOperations(options: EventOptions): Operation[] {
  const { topics } = options.log;
  return [
    operation({
      id: 'list_events',
      method: 'get',
      path: '/events',
      summary: 'Lists the events after a position, and waits for one if asked to.',
      tag: 'events',
      access: ACCESS,
      query: querySchemaOf(PAGE),
      headers: z.object({ 'If-None-Match': z.string().optional() }),
      answers: {
        200: {
          description: 'A page. A full one of a log that is named never changes, and says so.',
          schema: EventPage,
          headers: PAGE_HEADERS,
        },
        304: { description: 'The client has it already.', headers: PAGE_HEADERS },
      },
      refusals: ['gone'],
      cost: ({ query }) => ((query as { compact?: boolean }).compact ? COST.search : COST.read),
      handle: async (ctx, { query }) =>
        sendPage(ctx, await wantedOf(toWanted(query, PAGE, topics, callerOf(ctx.req))), options),
    }),
    operation({
      id: 'stream_events',
      method: 'get',
      path: '/events/stream',
      summary: 'Streams the events as they are committed, as Server-Sent Events.',
      tag: 'events',
      access: ACCESS,
      query: querySchemaOf(STREAM),
      headers: z.object({ 'Last-Event-ID': lastEventId }),
      answers: {
        200: {
          description: 'The stream.',
          type: 'text/event-stream',
          headers: { ...LOG_HEADER, 'X-Accel-Buffering': 'Tells a proxy to pass each event on at once.' },
        },
      },
      refusals: ['gone'],
      async handle(ctx, { query, headers }) {
        const wanted = await wantedOf(toWanted(query, STREAM, topics, callerOf(ctx.req)));
        // The header wins: a browser that comes back sends the address that it began with.
        await stream(ctx, { ...wanted, ...headers['Last-Event-ID'] }, options);
      },
    }),
  ];
}

async function sendPage(ctx: Context, wanted: Wanted, options: EventOptions): Promise<void> {
  const { after = 0, limit = DEFAULT_LIMIT } = wanted;
  const head = await headFor({ ...wanted, after }, options.log);
  if (wanted.compact) return sendCompacted(ctx, { ...wanted, after, limit }, head, options.log);
  // A long poll is as good as a stream that ends with its first events.
  const place = wanted.wait ? options.places.take(ctx.req) : undefined;
  const { events, position, isFull, log } = await collect(
    ctx,
    { ...wanted, after, limit },
    head,
    options,
  ).finally(place?.leave);
  const next = isFull ? (events.at(-1)?.position ?? after) : position;
  // A full page of a log that is named says nothing that can change.
  const isFixed = isFull && wanted.log !== undefined;
  const data = events.map(event => event.json).join(',');
  const now = isFixed ? '' : `"head":${Math.max(head.head, position)},`;
  ctx.type = 'application/json';
  ctx.body = `{"data":[${data}],${now}"next_after":${next}}`;
  ctx.set(LOG, log);
  ctx.set('Cache-Control', isFixed ? `${caching(ctx)}, max-age=31536000, immutable` : 'no-store');
  if (!isFixed) return;
  const etag = `"${log}/${after}-${next}${shownTo(ctx)}"`;
  ctx.set('ETag', etag);
  if (isKnownTag(ctx.get('If-None-Match'), etag)) ctx.status = 304;
}

/** What parts the tag of a page from that of another client's, which may be shown other topics under the same address. */
export function shownTo(ctx: Context): string {
  const visible = visibleTopicsOf(callerOf(ctx.req));
  return visible ? `/${[...visible].join('+')}` : '';
}

/** Which caches may keep a page that never changes: of one that needs a token none that is shared. */
export function caching(ctx: Context): 'public' | 'private' {
  if (callerOf(ctx.req).token === undefined) return 'public';
  ctx.vary('Authorization');
  return 'private';
}

// A page of it is of the head that it names, and never fixed: a later event takes an earlier one's place.
async function sendCompacted(
  ctx: Context,
  { after, limit, filter }: Wanted & { after: number; limit: number },
  { head, log: id }: Head,
  log: Log,
): Promise<void> {
  const { events, through, from } =
    after < head
      ? await log.compacted({ log: id, after, goal: head, filter })
      : { events: [], through: head, from: after };
  if (from > after) throw gone('retention'); // cut off meanwhile
  const page = events.slice(0, limit);
  const next = page.length < events.length ? (page.at(-1)?.position ?? through) : through;
  ctx.type = 'application/json';
  ctx.body = `{"data":[${page.map(event => event.json).join(',')}],"head":${head},"next_after":${next}}`;
  ctx.set(LOG, id);
  ctx.set('Cache-Control', 'no-store');
}

/** What there is after a position, at most `limit` of it, or as much as fills a page; if there is nothing, what comes within `wait` seconds. */
export async function collect(
  ctx: Context,
  { after, limit, wait = 0, filter }: Wanted & { after: number; limit: number },
  head: Head,
  { hub, log, sessions }: Readable,
): Promise<{ events: readonly FeedEvent[]; position: number; isFull: boolean; log: string }> {
  const events: FeedEvent[] = [];
  let bytes = 0;
  const isFull = () => events.length === limit || bytes >= PAGE_BYTES;
  const done = Promise.withResolvers<void>();
  let live = false;
  let waiting = wait > 0;
  const outlet = {
    write(event: FeedEvent) {
      events.push(event);
      bytes += Buffer.byteLength(event.json);
      if (isFull()) done.resolve();
      else if (live) setImmediate(done.resolve); // the rest of a batch comes in the same breath
      return !isFull();
    },
    caughtUp() {
      live = true;
      if (!waiting || events.length > 0) done.resolve();
    },
    ended: (reason: ResetReason, why?: string) => done.reject(gone(reason, why)),
  };
  const subscription = subscribe({ hub, log, head, after, filter, outlet });
  // However long the log is, a client that reads on gets on: what was looked through until now is a page.
  const give = () => (subscription.position > after ? done.resolve() : done.reject(unreadable()));
  const giveUp = setTimeout(give, wait * 1_000 + PATIENCE);
  const timer = setTimeout(() => {
    waiting = false;
    if (live) done.resolve();
  }, wait * 1_000);
  const stop = () => done.resolve();
  const release = callerOf(ctx.req).whenEnded(() => done.reject(unauthenticated(TOKEN_ENDED)));
  sessions.ending.addEventListener('abort', stop);
  if (sessions.ending.aborted || ctx.res.destroyed) stop();
  ctx.res.once('close', stop);
  try {
    await done.promise;
    return { events, position: subscription.position, isFull: isFull(), log: subscription.log };
  } finally {
    clearTimeout(timer);
    clearTimeout(giveUp);
    sessions.ending.removeEventListener('abort', stop);
    release();
    subscription.close();
  }
}

async function stream(
  ctx: Context,
  wanted: Wanted,
  { hub, log, sessions, places, logger }: EventOptions,
): Promise<void> {
  const { filter } = wanted;
  const { head, reason } = await judged(wanted, log);
  if (reason && !readsEventStream(ctx.req)) throw gone(reason);
  const { after = head.head } = wanted;
  if (ctx.res.destroyed) return; // it has hung up meanwhile, and will not do so again
  const place = reason || ctx.method === 'HEAD' ? undefined : places.take(ctx.req);
  ctx.status = 200;
  ctx.set({ ...STREAM_HEADERS, [LOG]: head.log });
  // By 410 an EventSource would end without a word to the page.
  if (reason) ctx.body = streamControl({ type: 'reset', reason }, { began: after, log: head.log });
  if (!place) return;
  ctx.respond = false;
  const channel = createStreamChannel(ctx.res, { began: after, log: head.log });
  const entry = sessions.enter(clientOf(ctx, channel));
  channel.onClose(entry.left);
  entry.signedIn(callerOf(ctx.req));
  channel.onClose(place.leave);
  const visible = visibleTopicsOf(callerOf(ctx.req));
  const options = { channel, hub, log, head, filter, visible, snapshot: [], logger };
  entry.serve(createSession({ ...options, after }));
}

/** The headers of an answer that is an event stream. */
export const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no', // nginx would gather the events
};
const PATIENCE = 10_000; // ms to read a page of the log

/** The client of an answer that lasts, and what ends it in order. */
export function clientOf(ctx: Context, channel: Pick<Channel, 'end'>) {
  return {
    kind: 'stream',
    address: ctx.req.socket.remoteAddress,
    request_id: ctx.response.get('X-Request-Id'),
    path: ctx.path,
    end: channel.end,
    cut: () => void ctx.res.destroy(),
  } as const;
}

async function wantedOf(read: ReturnType<typeof toWanted>): Promise<Wanted> {
  const wanted = await read;
  if (!Array.isArray(wanted)) return wanted;
  throw new ServiceError('malformed', sentence(wanted), { violations: wanted });
}

/** Where the log stands, or 410 where a client cannot go on from where it was. */
export async function headFor(wanted: Pick<Wanted, 'after' | 'log'>, log: Log): Promise<Head> {
  const { head, reason } = await judged(wanted, log);
  if (reason) throw gone(reason);
  return head;
}

async function judged({ after, log: id }: Pick<Wanted, 'after' | 'log'>, log: Log) {
  const head = await log.head();
  return { head, reason: canResume(head, { after, log: id }) };
}

function gone(reason: ResetReason, why: string = RESETS[reason]): ServiceError {
  return new ServiceError('gone', `${why}; begin with the present state`, { reason });
}

function unreadable(): ServiceError {
  return new ServiceError('unavailable', 'the log cannot be read now; try again', {
    headers: { 'Retry-After': '1' },
  });
}
