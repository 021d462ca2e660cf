// What goes to a client: events, framed once however many sockets they go to, and control frames.
import { z } from 'zod';
import type { FeedEvent, Slice } from '../events.ts';
import { RESETS, type ResetReason } from '../feed/subscription.ts';

const position = z.int().nonnegative();
const log = z.uuid().meta({
  description: 'The present epoch of the log: the one that was told last is to be sent beside `after`.',
});

/** The control frames but for snapshots, as textOf() writes them; each is told from an event by having no `specversion`. */
export const CONTROL = {
  ready: z
    .object({
      type: z.literal('ready'),
      head: position.meta({ description: 'The last position there is.' }),
      log,
      topics: z.array(z.string()).optional().meta({
        description:
          'Of a token that may not be told of everything: of what it is told. Positions of the rest are left out.',
      }),
    })
    .meta({ id: 'ready', description: 'First: every event after `head`, or after `after`, will come.' }),
  position: z.object({ type: z.literal('position'), position, log }).meta({
    id: 'position',
    description:
      'At least every 15 s, and when PostgreSQL was started anew: resume here, also if nothing matched.',
  }),
  reset: z
    .object({
      type: z.literal('reset'),
      reason: z.enum(Object.keys(RESETS) as ResetReason[]).meta({
        description: Object.entries(RESETS)
          .map(([reason, words]) => `\`${reason}\`: ${words}`)
          .join('; '),
      }),
    })
    .meta({ id: 'reset', description: 'Last: this position cannot be resumed from. Take a snapshot.' }),
};

/** A page of the state that a snapshot's stream begins from, as textOf() writes it. */
export function snapshotOf(topic: z.ZodType<string>, row: z.ZodType) {
  return z.object({
    type: z.literal('snapshot'),
    topic,
    data: z.array(row),
    position: position.meta({ description: 'The rows are as of here; it is the head of `ready`.' }),
    last: z.boolean().meta({ description: 'Whether it is the last page of its topic.' }),
  });
}

/** A control frame. */
export type ControlFrame =
  | z.infer<typeof CONTROL.ready>
  | z.infer<typeof CONTROL.position>
  | z.infer<typeof CONTROL.reset>
  | SnapshotFrame;

/** A page of a snapshot whose rows are JSON texts, as the database rendered them. */
export interface SnapshotFrame extends Omit<z.infer<ReturnType<typeof snapshotOf>>, 'data'> {
  rows: readonly string[];
}

/** Close codes: RFC 6455, section 7.4.1, and the service's own from 4000 on. */
export const CLOSE = {
  goingAway: 1001,
  notAllowed: 1008,
  tooBig: 1009, // said by ws itself
  tryAgainLater: 1013,
  badParameters: 4400,
  notSignedIn: 4401,
  reset: 4410,
} as const;

/** What each close code says to a client. */
export const CLOSE_MEANINGS: Readonly<Record<keyof typeof CLOSE, string>> = {
  goingAway: 'The instance is going away: reconnect at once.',
  notAllowed: 'The origin or the host is not allowed, or the token lacks a scope, which the reason names.',
  tooBig: 'The frame is too big.',
  tryAgainLater: 'The database is away, or there are too many sockets or snapshots: try again later.',
  badParameters: 'A parameter is unknown or wrong; the reason names it.',
  notSignedIn:
    'A token is needed that is valid: there was none, or it was revoked, has expired or was changed.',
  reset: 'The position cannot be resumed from; the frame before says why.',
};

/** A control frame's text. */
export function textOf(frame: ControlFrame): string {
  if (frame.type !== 'snapshot') return JSON.stringify(frame);
  const { topic, rows, position, last } = frame;
  return `{"type":"snapshot","topic":${JSON.stringify(topic)},"data":[${rows.join(',')}],"position":${position},"last":${last}}`;
}

/**
 * The bytes of an event's text frame (RFC 6455, section 5.2): a server's are unmasked, so all sockets share them. Frames
 * made one after the other mostly lie side by side, so that a run of events is one piece of bytes.
 */
export function frameOf(event: FeedEvent): Slice {
  event.frame ??= textFrame(event.json);
  return event.frame;
}

const SLAB = 64 * 1024; // bytes
let slab = Buffer.alloc(0);
let used = 0;

/** Text as the bytes of one WebSocket frame. */
function textFrame(text: string): Slice {
  const length = Buffer.byteLength(text);
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const size = 2 + extended + length;
  if (used + size > slab.length) {
    slab = Buffer.allocUnsafeSlow(Math.max(SLAB, size));
    used = 0;
  }
  const [buffer, start] = [slab, used];
  used += size;
  buffer[start] = 0x81; // FIN, opcode 1
  buffer[start + 1] = extended === 0 ? length : extended === 2 ? 126 : 127;
  if (extended === 2) buffer.writeUInt16BE(length, start + 2);
  if (extended === 8) buffer.writeBigUInt64BE(BigInt(length), start + 2);
  buffer.write(text, start + 2 + extended);
  return { buffer, start, end: used };
}

/** An event stream: which log it tells of, and the position behind which it began. */
export interface Stream {
  log: string;
  began: number;
}

const RECONNECT = 1_000; // ms a browser waits before it comes back
const streamed = new WeakMap<FeedEvent, { log: string; bytes: Buffer }>();

/**
 * The bytes of an event of an event stream (WHATWG HTML, section 9.2). Its id is where to resume: the position, and of
 * which log, for an EventSource sends nothing else.
 */
export function streamEventOf(event: FeedEvent, { log }: Stream): Buffer {
  const known = streamed.get(event);
  if (known?.log === log) return known.bytes;
  const bytes = Buffer.from(`id: ${event.position}@${log}\n${dataLines(event.json)}\n`);
  streamed.set(event, { log, bytes });
  return bytes;
}

/**
 * A control frame in an event stream: an event of its type, so that onmessage hears events alone. Its id is where a
 * browser that comes back goes on; after a reset, nowhere. How soon it comes back stands in the first one, since some
 * clients take a `retry` by itself for an event.
 */
export function streamControl(frame: ControlFrame, stream: Stream): string {
  const retry = frame.type === 'ready' || frame.type === 'reset' ? `retry: ${RECONNECT}\n` : '';
  return `${retry}event: ${frame.type}\nid: ${resumeAt(frame, stream)}\n${dataLines(textOf(frame))}\n`;
}

function resumeAt(frame: ControlFrame, { began, log }: Stream): string {
  if (frame.type === 'reset') return '';
  return `${frame.type === 'ready' ? began : frame.position}@${log}`;
}

/** Text as the data of an event: a json column may hold line breaks between its parts; the reader of a stream puts them back. */
export function dataLines(text: string): string {
  return text
    .split(/\r\n|\r|\n/)
    .map(line => `data: ${line}\n`)
    .join('');
}
