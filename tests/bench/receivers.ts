// Many WebSockets that cost this process as little as can be: plain sockets after a handshake by hand, which walk over
// frames by their headers. Of an event they read its position alone, and refuse one that does not follow the last.
import { connect, type Socket } from 'node:net';

const AT_ONCE = 64; // handshakes
const HEAD_END = '\r\n\r\n';
const LONG = 126; // the length follows in two bytes; no event here is of 64 KiB
const BEFORE_POSITION = '{"specversion":"1.0","id":"'.length;
const PEEK = BEFORE_POSITION + 16; // digits at most, and no event is shorter
const ZERO = 0x30;
const NINE = 0x39;

/** Sockets that hear the events after a position. */
export interface Receivers {
  /** Resolves once each has every event up to this one, with the seconds from the first that came to the last. */
  reach(position: number): Promise<number>;
  /** Stops and resumes reading from the network. */
  pause(): void;
  resume(): void;
  close(): void;
}

/** Opens so many sockets; resolves once each has its handshake behind it and, from the service, its `ready`. */
export async function openReceivers(
  address: string,
  { path, count, after }: { path: string; count: number; after: number },
): Promise<Receivers> {
  const receivers: Receiver[] = [];
  while (receivers.length < count) {
    const some = Math.min(AT_ONCE, count - receivers.length);
    const opening = Array.from({ length: some }, () => openReceiver(address, path, after));
    receivers.push(...(await Promise.all(opening)));
  }
  const each = (act: (socket: Socket) => void) => () => {
    for (const { socket } of receivers) act(socket);
  };
  return {
    async reach(position) {
      const spans = await Promise.all(receivers.map(receiver => receiver.reach(position)));
      return (Math.max(...spans.map(([, end]) => end)) - Math.min(...spans.map(([start]) => start))) / 1000;
    },
    pause: each(socket => socket.pause()),
    resume: each(socket => socket.resume()),
    close: each(socket => socket.destroy()),
  };
}

interface Receiver {
  readonly socket: Socket;
  /** Resolves with when the first event since the last call and this one came. */
  reach(position: number): Promise<[number, number]>;
}

async function openReceiver(address: string, path: string, after: number): Promise<Receiver> {
  const { hostname, port } = new URL(address);
  const socket = connect({ host: hostname, port: Number(port) });
  const ready = Promise.withResolvers<void>();
  let reached = Promise.withResolvers<void>();
  let [position, goal, first, last] = [after, Number.POSITIVE_INFINITY, 0, 0];
  const fail = (error: Error) => {
    ready.reject(error);
    reached.reject(error);
  };
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('a socket was closed')));
  ready.promise.catch(() => {});
  reached.promise.catch(() => {}); // nobody may be waiting

  const walk = createWalk(ready.resolve, found => {
    if (found !== position + 1)
      return void socket.destroy(new Error(`event ${found} came after ${position}`));
    position = found;
    first ||= performance.now();
    if (position < goal) return;
    last = performance.now();
    reached.resolve();
  });
  await shakeHands(socket, path, walk);
  if (path.startsWith('/ws/')) await ready.promise;
  return {
    socket,
    async reach(wanted) {
      goal = wanted;
      if (position < goal) await reached.promise;
      const span: [number, number] = [first, last || performance.now()];
      [goal, first, last] = [Number.POSITIVE_INFINITY, 0, 0];
      reached = Promise.withResolvers();
      reached.promise.catch(() => {});
      return span;
    },
  };
}

function shakeHands(socket: Socket, path: string, walk: (bytes: Buffer) => void): Promise<void> {
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  );
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    socket.once('error', reject);
    socket.on('data', function accept(chunk) {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf(HEAD_END);
      if (end < 0) return;
      socket.off('data', accept);
      if (!head.toString('latin1', 0, end).startsWith('HTTP/1.1 101 ')) {
        return void socket.destroy(new Error(`no handshake: ${head.toString('latin1', 0, end)}`));
      }
      walk(head.subarray(end + HEAD_END.length));
      socket.on('data', walk);
      resolve();
    });
  });
}

// Goes over a server's frames as they come in, in pieces of any size. What is shorter than an event is control.
function createWalk(control: () => void, event: (position: number) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0); // the beginning of a frame
  let skip = 0; // bytes of one that is known already
  return chunk => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    let at = skip;
    while (at + 4 <= bytes.length || (at + 2 <= bytes.length && lengthAt(bytes, at) < LONG)) {
      const isLong = lengthAt(bytes, at) === LONG;
      const length = isLong ? bytes.readUInt16BE(at + 2) : lengthAt(bytes, at);
      const start = at + (isLong ? 4 : 2);
      if (!isLong) control();
      else if (start + PEEK > bytes.length) break;
      else event(positionAt(bytes, start + BEFORE_POSITION));
      at = start + length;
    }
    skip = Math.max(0, at - bytes.length);
    rest = skip > 0 ? bytes.subarray(bytes.length) : bytes.subarray(at);
  };
}

function lengthAt(frames: Buffer, at: number): number {
  return (frames[at + 1] ?? 0) & 0x7f;
}

function positionAt(frames: Buffer, at: number): number {
  let position = 0;
  for (let digit = frames[at] ?? 0; digit >= ZERO && digit <= NINE; digit = frames[++at] ?? 0) {
    position = position * 10 + digit - ZERO;
  }
  return position;
}
