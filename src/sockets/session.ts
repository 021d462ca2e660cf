// One client's WebSocket, from its first frame to its last.
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { FeedEvent } from '../events.ts';
import type { Hub } from '../feed/hub.ts';
import { judge, type Log, type ResetReason, type Subscription, subscribe } from '../feed/subscription.ts';
import { CLOSE, type ControlFrame, frameOf } from './frames.ts';
import type { Parameters } from './parameters.ts';

export interface Session {
  /** How many events were written to it. */
  readonly sent: number;
  /** Sends where the client may resume, and finds out whether it still answers. Called every interval. */
  tick(): void;
  /** Ends the session with a close code. */
  close(code: number, reason: string): void;
}

// Beyond this much unsent a client is not written to until it has drained: it reads on from the log by itself.
const SEND_BUFFER = 256 * 1024; // bytes
const MOST_UNANSWERED = 6; // pings, one an interval, before a client is taken for gone

/** Serves a client its topic: `ready`, then every event after the position it asked for, or after the head. */
export async function serveClient(options: {
  webSocket: WebSocket;
  socket: Socket;
  hub: Hub;
  log: Log;
  topic: string | undefined;
  parameters: Parameters;
}): Promise<Session> {
  const { webSocket, socket, hub, log, topic, parameters } = options;
  let subscription: Subscription | undefined;
  let unanswered = 0;
  let sent = 0;

  const send = (frame: ControlFrame) => webSocket.send(JSON.stringify(frame));
  const close = (code: number, reason: string) => {
    subscription?.close();
    if (webSocket.readyState === WebSocket.OPEN) webSocket.close(code, reason);
  };
  const reset = (reason: ResetReason) => {
    if (webSocket.readyState === WebSocket.OPEN) send({ type: 'reset', reason });
    close(CLOSE.reset, reason);
  };
  // Past ws, whose send() would make a frame of its own for every socket. Frames are whole, so they may mix.
  const write = (event: FeedEvent) => {
    if (webSocket.readyState === WebSocket.OPEN) {
      socket.write(frameOf(event));
      sent++;
    }
    return socket.writableLength < SEND_BUFFER;
  };

  webSocket.on('pong', () => {
    unanswered = 0;
  });
  webSocket.on('close', () => subscription?.close());
  socket.on('drain', () => subscription?.resume());

  const head = await log.head();
  const refusal = judge(head, { after: parameters.after, log: parameters.log });
  if (refusal) {
    reset(refusal);
  } else if (webSocket.readyState === WebSocket.OPEN) {
    send({ type: 'ready', head: head.head, log: head.log });
    const after = parameters.after ?? head.head;
    subscription = subscribe({ hub, log, logId: head.log, after, topic, outlet: { write, ended: reset } });
  }

  return {
    get sent() {
      return sent;
    },
    tick() {
      if (webSocket.readyState !== WebSocket.OPEN || !subscription) return;
      // One that reads slowly gets neither: a ping would wait behind all that it has yet to read.
      if (socket.writableLength > 0) return;
      if (unanswered === MOST_UNANSWERED) return webSocket.terminate();
      unanswered++;
      webSocket.ping();
      send({ type: 'position', position: subscription.position });
    },
    close,
  };
}
