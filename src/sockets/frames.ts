// What goes over a WebSocket: events, framed once however many sockets they go to, and control frames.
import type { FeedEvent } from '../events.ts';
import type { ResetReason } from '../feed/subscription.ts';

/** A control frame: told from an event by having no `specversion`. */
export type ControlFrame =
  | { type: 'ready'; head: number; log: string }
  | { type: 'position'; position: number }
  | { type: 'reset'; reason: ResetReason };

/** Close codes: RFC 6455, section 7.4.1, and the service's own from 4000 on. */
export const CLOSE = {
  goingAway: 1001,
  notAllowed: 1008,
  tryAgainLater: 1013,
  badParameters: 4400,
  reset: 4410,
} as const;

const framed = new WeakMap<FeedEvent, Buffer>();

/** The bytes of an event's text frame (RFC 6455, section 5.2): a server's are unmasked, so all sockets share them. */
export function frameOf(event: FeedEvent): Buffer {
  const known = framed.get(event);
  if (known) return known;
  const frame = textFrame(event.json);
  framed.set(event, frame);
  return frame;
}

function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = Buffer.allocUnsafe(2 + extended + length);
  frame[0] = 0x81; // FIN, opcode 1
  frame[1] = extended === 0 ? length : extended === 2 ? 126 : 127;
  if (extended === 2) frame.writeUInt16BE(length, 2);
  if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.write(text, 2 + extended);
  return frame;
}
