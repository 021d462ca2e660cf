// GET /streams/{topic}: the read side of Durable Streams, a draft of a protocol over HTTP, so that the clients that others
// have written for it, in ten languages, can listen. A projection of GET /events: the same log, judged and read alike. The
// numbers of sections are those of its PROTOCOL.md, version 1.0. Experimental, as long as that is a draft.
import type { Context } from 'koa';
import { z } from 'zod';
import { ServiceError } from '../errors.ts';
import { EventEnvelope, type FeedEvent, PAGE_BYTES } from '../events.ts';
import { EVERYTHING, type Filter } from '../feed/filter.ts';
import type { Head, Log } from '../feed/log_reader.ts';
import { subscribe } from '../feed/subscription.ts';
import {
  type Caller,
  callerOf,
  mayName,
  requirementOf,
  requireScope,
  visibleTopicsOf,
} from '../web/access.ts';
import { isKnownTag } from '../web/entity_tag.ts';
import { type Operation, operation } from '../web/operation.ts';
import { parameter, wholeNumber } from '../web/query.ts';
import {
  caching,
  clientOf,
  collect,
  headFor,
  type Readable,
  STREAM_HEADERS,
  shownTo,
} from './event_operations.ts';
import { dataLines } from './frames.ts';

const ALL = 'events';
const LIMIT = 1_000; // events of a chunk
const LONGEST_WAIT = 15; // seconds of a long poll
const LIFETIME = 60_000; // ms of an event stream: section 10.2
const LATEST = 'now';
const EARLIEST = '-1';
// Sorts as the positions do (section 8), and says of which log it is, for a client sends nothing else.
const OFFSET = /^0(\d{15})_([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

const Query = z
  .strictObject({
    offset: parameter(
      z
        .string()
        .regex(
          new RegExp(`^(?:${EARLIEST}|${LATEST}|${OFFSET.source.slice(1, -1)})$`),
          `must be an offset that was told, ${EARLIEST} or ${LATEST}`,
        ),
    )
      .meta({
        description: `Behind what to begin: an offset that was told, \`${EARLIEST}\` for all that is kept, which is what it is without one, or \`${LATEST}\`. It must be there where \`live\` is.`,
      })
      .optional(),
    live: parameter(z.enum(['long-poll', 'sse'], 'must be long-poll or sse'))
      .meta({ description: 'How to go on once everything there is has been told.' })
      .optional(),
    cursor: parameter(wholeNumber({ from: 0, to: 1e15, digits: 16, error: 'must be a cursor that was told' }))
      .meta({
        description: 'The `Stream-Cursor` that was told last: it keeps caches from telling the same again.',
      })
      .optional(),
  })
  .refine(({ live, offset }) => live === undefined || offset !== undefined, {
    path: ['offset'],
    message: 'must be there where live is',
  });

const Topic = z.object({
  topic: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,62}$/, 'there is no such stream')
    .meta({
      description: `\`${ALL}\` for everything, or a topic: \`tasks\`, \`currencies\`, \`runs\`, a watched table’s.`,
    }),
});

const NEXT = 'Stream-Next-Offset';
const UP_TO_DATE = 'Stream-Up-To-Date';
const CURSOR = 'Stream-Cursor';
const HEADERS = {
  [NEXT]: 'What the next chunk is asked for with, as `offset`; of HEAD, where the stream ends now.',
  [UP_TO_DATE]: '`true` where there is nothing behind this chunk yet.',
  [CURSOR]: 'Of a live answer: to be sent as `cursor` with the next request.',
  'Cross-Origin-Resource-Policy': '`same-origin`',
};
const TAG = { ETag: 'Of this chunk; none where it began `now`.' };
const PROTECTION = { 'Cross-Origin-Resource-Policy': 'same-origin' }; // section 12.7
// Of a chunk that more lies behind: it never changes. Section 10.1 would have the last one kept as well, whose client would
// be told for six minutes that nothing has come.
const KEPT = 'max-age=60, stale-while-revalidate=300';

/** GET /streams/{topic}, and its HEAD. */
export function createStreamOperations(options: Readable): Operation[] {
  return [
    operation({
      id: 'read_stream',
      method: 'get',
      path: '/streams/{topic}',
      summary: 'Reads a topic by the Durable Streams protocol (draft 1.0); experimental.',
      tag: 'events',
      access: requirementOf(undefined),
      params: Topic,
      query: Query,
      headers: z.object({ 'If-None-Match': z.string().optional() }),
      answers: {
        200: {
          description: 'A chunk: the events as a JSON array; with `live=sse` an event stream of such chunks.',
          schema: z.array(EventEnvelope),
          type: ['application/json', 'text/event-stream'],
          headers: {
            ...HEADERS,
            ...TAG,
            'X-Accel-Buffering': 'Tells a proxy to pass each event on at once.',
          },
        },
        204: { description: 'Nothing came while a long poll lasted.', headers: HEADERS },
        304: { description: 'The client has this chunk already.', headers: { ...HEADERS, ...TAG } },
      },
      refusals: ['gone'],
      async handle(ctx, { params: { topic }, query }) {
        const filter = await filterFor(topic, options.log, callerOf(ctx.req));
        const wanted = toWanted(query);
        const head = await headFor(wanted, options.log);
        const read = { ...wanted, after: wanted.after ?? startOf(wanted.offset, head), topic, filter, head };
        if (ctx.method === 'HEAD') tellEnd(ctx, head);
        else if (wanted.live === 'sse') stream(ctx, read, options);
        else if (wanted.offset === LATEST && wanted.live === undefined) tellNothing(ctx, head);
        else await sendChunk(ctx, read, options);
      },
    }),
  ];
}

type Asked = z.output<typeof Query>;

interface Wanted extends Asked {
  after?: number | undefined;
  log?: string | undefined;
}

interface Read extends Wanted {
  after: number;
  topic: string;
  filter: Filter;
  head: Head;
}

function toWanted(query: Asked): Wanted {
  const [, after, log] = OFFSET.exec(query.offset ?? '') ?? [];
  return { ...query, ...(after !== undefined && { after: Number(after), log }) };
}

// What retention has taken is no part of the stream any more: its beginning is always there (section 8), and only an
// offset before it is 410.
function startOf(offset: string | undefined, { head, first }: Head): number {
  return offset === LATEST ? head : first - 1;
}

async function filterFor(topic: string, log: Log, caller: Caller): Promise<Filter> {
  if (topic === ALL) return { ...EVERYTHING, topics: visibleTopicsOf(caller) ?? EVERYTHING.topics };
  const known = (await log.topics()).map(each => each.topic).filter(each => mayName(caller, each));
  if (known.includes(topic)) {
    requireScope(caller, requirementOf(topic));
    return { ...EVERYTHING, topics: new Set([topic]) };
  }
  throw new ServiceError('not_found', `there is no such stream: there are ${[ALL, ...known].join(', ')}`);
}

const offsetOf = (position: number, log: string) => `${String(position).padStart(16, '0')}_${log}`;

// Section 5.5.
function tellEnd(ctx: Context, { head, log }: Head): void {
  ctx.status = 200;
  ctx.type = 'application/json';
  ctx.set({ ...PROTECTION, [NEXT]: offsetOf(head, log) });
}

// Section 8.
function tellNothing(ctx: Context, head: Head): void {
  tellEnd(ctx, head);
  ctx.set(UP_TO_DATE, 'true');
  ctx.body = '[]';
}

// Sections 5.6, 5.7 and 10.1.
async function sendChunk(ctx: Context, read: Read, options: Readable): Promise<void> {
  const { topic, after, filter, head, live, offset } = read;
  const wait = live === undefined ? 0 : LONGEST_WAIT;
  const wanted = { after, limit: LIMIT, wait, filter };
  const place = wait > 0 ? options.places.take(ctx.req) : undefined;
  const { events, position, isFull, log } = await collect(ctx, wanted, head, options).finally(place?.leave);
  const next = isFull ? (events.at(-1)?.position ?? after) : position;
  const isAll = !isFull && next >= head.head;
  ctx.set({ ...PROTECTION, [NEXT]: offsetOf(next, log), ...(isAll && { [UP_TO_DATE]: 'true' }) });
  if (live !== undefined) ctx.set(CURSOR, String(cursorBehind(read.cursor)));
  if (live !== undefined && isAll && events.length === 0) {
    ctx.status = 204;
    return;
  }
  ctx.type = 'application/json';
  ctx.body = `[${events.map(event => event.json).join(',')}]`;
  if (offset === LATEST) return; // what comes behind it is another one each time
  const etag = `"${log}/${topic}/${after}-${next}${topic === ALL ? shownTo(ctx) : ''}"`;
  const isFixed = isFull || (live !== undefined && events.length > 0);
  ctx.set({ ETag: etag, 'Cache-Control': isFixed ? `${caching(ctx)}, ${KEPT}` : 'no-cache' });
  if (isKnownTag(ctx.get('If-None-Match'), etag)) ctx.status = 304;
}

const CURSOR_EPOCH = Date.UTC(2024, 9, 9);
const CURSOR_INTERVAL = 20_000; // ms
const MOST_JITTER = 3_600_000; // ms

// Section 10.1: the number of the present interval, but always beyond the one that the client has: else a cache could
// answer it with the same for ever.
function cursorBehind(given: number | undefined): number {
  const now = Math.floor((Date.now() - CURSOR_EPOCH) / CURSOR_INTERVAL);
  if (given === undefined || given < now) return now;
  return given + Math.ceil((1 - Math.random()) * (MOST_JITTER / CURSOR_INTERVAL));
}

// Section 5.8: events as they come, and behind each chunk of them where to go on.
function stream(ctx: Context, read: Read, { hub, log, sessions, places }: Readable): void {
  const { head, after, filter } = read;
  const { res } = ctx;
  if (res.destroyed) return; // it has hung up meanwhile, and will not do so again
  const place = places.take(ctx.req);
  ctx.status = 200;
  ctx.set({ ...PROTECTION, ...STREAM_HEADERS });
  ctx.respond = false;
  let epoch = head.log;
  let chunk: string[] = [];
  let size = 0;
  let sent = 0;
  let isLive = false;
  let due: NodeJS.Immediate | undefined;
  const cursor = cursorBehind(read.cursor);

  function tell(next: number, upToDate: boolean): void {
    clearImmediate(due);
    due = undefined;
    if (res.writableEnded || res.destroyed) return;
    if (chunk.length > 0) res.write(blockOf('data', `[${chunk.join(',')}]`));
    chunk = [];
    size = 0;
    const streamCursor = String(Math.max(cursor, cursorBehind(undefined)));
    const control = { streamNextOffset: offsetOf(next, epoch), streamCursor, ...(upToDate && { upToDate }) };
    res.write(blockOf('control', JSON.stringify(control)));
  }

  // In a turn of its own: what comes in one breath is one chunk, and everything up to the position has been given then.
  function tellSoon(): void {
    due ??= setImmediate(() => tell(subscription.position, isLive));
  }

  function end(): void {
    clearTimeout(lifetime);
    clearImmediate(due);
    subscription.close();
    res.end();
  }

  const outlet = {
    write(event: FeedEvent) {
      sent++;
      chunk.push(event.json);
      size += Buffer.byteLength(event.json);
      if (size < CHUNK_BYTES && chunk.length < LIMIT) tellSoon();
      else tell(event.position, false);
      const hasRoom = !res.writableNeedDrain;
      isLive &&= hasRoom;
      return hasRoom;
    },
    caughtUp() {
      isLive = true;
      tellSoon();
    },
    // What comes next is told with the epoch that it is of: with the one before, it would be taken for lost. It catches up anew.
    epochBegan(log: string) {
      epoch = log;
      isLive = false;
    },
    ended: end, // the client comes back, and is told why
  };
  const subscription = subscribe({ hub, log, head, after, filter, outlet });
  const lifetime = setTimeout(end, LIFETIME);
  const entry = sessions.enter(clientOf(ctx, { end }));
  entry.signedIn(callerOf(ctx.req));
  res.on('drain', () => subscription.resume());
  // Node ends the answer, too: what the client left would lie here for ever.
  res.socket?.once('end', () => res.destroy());
  res.on('close', () => {
    end();
    place.leave();
    entry.left(0);
  });
  entry.serve({
    get sent() {
      return sent;
    },
    tick: () => {
      if (res.writableLength === 0) tell(subscription.position, isLive);
    },
    close: end,
  });
}

const CHUNK_BYTES = PAGE_BYTES / 16;

function blockOf(event: string, text: string): string {
  return `event: ${event}\n${dataLines(text)}\n`;
}
