// What a session needs of the connection that it speaks through, be it a WebSocket or an event stream, with backpressure. What it holds for
// a client that does not read is one buffer of Node's (64 KiB) and nothing else: the rest stays in the log.
import type { FeedEvent } from '../events.ts';
import type { ControlFrame } from './frames.ts';

/** A connection to one client. Writing to one that is closed, or closing, does nothing: there is no room in it. */
export interface Channel {
  readonly open: boolean;
  /** Nothing waits to be sent: what is written now goes out at once. */
  readonly drained: boolean;
  /** False: enough waits to be sent; `drain` tells when it has gone. */
  event(event: FeedEvent): boolean;
  control(frame: ControlFrame): boolean;
  /** Asks the client for a sign of life, where the protocol has one; ends the connection when many were not answered. */
  probe(): void;
  /** Ends the connection: with the code, where the protocol has one. */
  end(code: number, reason: string): void;
  onDrain(listener: () => void): void;
  onClose(listener: (code: number) => void): void;
}
