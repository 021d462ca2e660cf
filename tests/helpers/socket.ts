// A WebSocket client that tests can await: frames one by one, in order, and how it was closed.
import { WebSocket } from 'ws';
import { checkFrame } from './frames.ts';

export interface Frame {
  type: string;
  position?: number;
  topic?: string;
  specversion?: string;
  source?: string;
  subject?: string;
  head?: number;
  log?: string;
  reason?: string;
  origin?: string;
  actor?: { id: string; name: string } | null;
  transaction?: string;
  requestid?: string | null;
  /** What the entity is called, and `previous`. */
  data?: Record<string, Record<string, unknown>>;
}

export interface TestSocket {
  /** The next frame, of whatever kind; rejects once the socket is closed and all were taken. */
  next(): Promise<Frame>;
  /** The next event, control frames passed over. */
  event(): Promise<Frame>;
  events(count: number): Promise<Frame[]>;
  readonly closed: Promise<{ code: number; reason: string }>;
  /** Stops and resumes reading from the network. */
  pause(): void;
  resume(): void;
  drop(): void;
  readonly raw: WebSocket;
}

/** Opens a socket; resolves at once, frames and closing are awaited. A frame that is taken is held against the document. */
export function openSocket(
  address: string,
  path: string,
  headers: Record<string, string> = {},
  protocols: string[] = [],
): TestSocket {
  const raw = new WebSocket(`${address.replace('http', 'ws')}${path}`, protocols, { headers });
  const frames: Frame[] = [];
  let over: { code: number; reason: string } | undefined;
  let wake = () => {};
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  raw.on('message', data => {
    frames.push(JSON.parse(String(data)));
    wake();
  });
  raw.on('error', () => {}); // 'close' follows
  raw.on('close', (code, reason) => {
    over = { code, reason: String(reason) };
    closed.resolve(over);
    wake();
  });

  async function next(): Promise<Frame> {
    while (frames.length === 0) {
      if (over) throw new Error(`the socket was closed: ${over.code} ${over.reason}`);
      await new Promise<void>(resolve => {
        wake = resolve;
      });
    }
    const frame = frames.shift() as Frame;
    checkFrame(address, path, frame);
    return frame;
  }
  async function event(): Promise<Frame> {
    for (;;) {
      const frame = await next();
      if (frame.specversion) return frame;
    }
  }
  return {
    raw,
    next,
    event,
    events: async count => {
      const taken: Frame[] = [];
      while (taken.length < count) taken.push(await event());
      return taken;
    },
    closed: closed.promise,
    pause: () => raw.pause(),
    resume: () => raw.resume(),
    drop: () => raw.terminate(),
  };
}
