// A WebSocket as a session's channel.
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { Slice } from '../events.ts';
import type { Channel } from './channel.ts';
import { frameOf, textOf } from './frames.ts';

const MOST_UNANSWERED = 6; // pings, one an interval, before a client is taken for gone
const BYTES_PER_BREATH = 1_024; // of a client's; then it is not read from for a moment
const BREATH = 20; // ms
const MOST_PONGS = 16; // that wait to be sent

/** The channel of an open WebSocket, and its TCP socket, past which ws would make a frame of its own for every client. */
export function createSocketChannel(webSocket: WebSocket, socket: Socket): Channel {
  const outbox = createOutbox(socket);
  let unanswered = 0;
  const isOpen = () => webSocket.readyState === WebSocket.OPEN;
  const hasRoom = () => !socket.writableNeedDrain;

  webSocket.on('pong', () => {
    unanswered = 0;
  });
  answerPings(webSocket);
  holdBack(webSocket, socket);
  // A client that has hung up without a word takes no more: what it left would lie here for ever.
  socket.once('end', () => socket.writableLength > 0 && webSocket.terminate());

  return {
    get open() {
      return isOpen();
    },
    get drained() {
      return socket.writableLength === 0;
    },
    // Frames are whole, so those of ws and ours may mix.
    event: event => isOpen() && outbox.add(frameOf(event)),
    control(frame) {
      if (!isOpen()) return false;
      outbox.send();
      webSocket.send(textOf(frame));
      return hasRoom();
    },
    probe() {
      if (unanswered === MOST_UNANSWERED) return webSocket.terminate();
      unanswered++;
      outbox.send();
      webSocket.ping();
    },
    end(code, reason) {
      outbox.send();
      if (isOpen()) webSocket.close(code, reason);
    },
    onDrain: listener => socket.on('drain', listener),
    onClose: listener => webSocket.on('close', listener),
  };
}

// What is written in one go, a batch of the sequencer or a page of the log, leaves in one system call, and frames that
// lie side by side in one piece.
function createOutbox(socket: Socket) {
  let piece: Slice | undefined;
  let [start, end] = [0, 0]; // of the piece, which grows
  let corked = false;

  function flush(): void {
    if (!piece) return;
    const bytes = piece.buffer.subarray(start, end);
    piece = undefined;
    // What does not leave at once must not hold the whole buffer that it is a small part of.
    const waits = socket.writableLength > 0 && bytes.length * 2 < bytes.buffer.byteLength;
    socket.write(waits ? copyOf(bytes) : bytes);
  }

  function send(): void {
    flush();
    if (corked) socket.uncork();
    corked = false;
  }

  function begin(frame: Slice): void {
    if (!piece) queueMicrotask(send);
    else if (!corked) {
      corked = true;
      socket.cork();
    }
    flush();
    piece = frame;
    [start, end] = [frame.start, frame.end];
  }

  return {
    /** Sends what there is, before something else is written. */
    send,
    /** False: enough waits to be sent. */
    add(frame: Slice): boolean {
      if (piece?.buffer === frame.buffer && end === frame.start) end = frame.end;
      else begin(frame);
      if (socket.writableLength + end - start < socket.writableHighWaterMark) return true;
      flush();
      return !socket.writableNeedDrain;
    },
  };
}

// Memory of its own: one of Node's shared pool would hold as much as what it was to let go of.
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

// A client that asks and does not listen is owed the newest answer only (RFC 6455, section 5.5.3). ws itself would keep
// sixty and then cut the client off, also one that only sent its pings in one go.
function answerPings(webSocket: WebSocket): void {
  let waiting = 0;
  let newest: Buffer | undefined;
  const sent = () => {
    waiting--;
    if (newest !== undefined && webSocket.readyState === WebSocket.OPEN) answer(newest);
  };
  const answer = (data: Buffer) => {
    newest = undefined;
    waiting++;
    webSocket.pong(data, false, sent);
  };
  webSocket.on('ping', data => {
    if (waiting < MOST_PONGS) answer(data);
    else newest = data;
  });
}

// What a client sends changes nothing, and one that floods us with it, be it frames or pieces of one, takes no time from
// the others: the more came at once, the longer it is not read from.
function holdBack(webSocket: WebSocket, socket: Socket): void {
  let bytes = 0;
  let loopLimiter: NodeJS.Timeout | undefined;
  const goOn = () => {
    bytes -= BYTES_PER_BREATH;
    if (bytes < BYTES_PER_BREATH || webSocket.readyState !== WebSocket.OPEN) webSocket.resume();
    else loopLimiter = setTimeout(goOn, BREATH);
  };
  socket.on('data', chunk => {
    bytes += chunk.length;
    if (bytes < BYTES_PER_BREATH || webSocket.isPaused || webSocket.readyState !== WebSocket.OPEN) return;
    webSocket.pause();
    loopLimiter = setTimeout(goOn, BREATH);
  });
  webSocket.on('close', () => clearTimeout(loopLimiter));
}
