// An answer of Server-Sent Events (WHATWG HTML, section 9.2) as a session's channel.
import type { ServerResponse } from 'node:http';
import type { Channel } from './channel.ts';
import { type Stream, streamControl, streamEventOf } from './frames.ts';

const UNREAD_FOR = 30_000; // ms

/**
 * The channel of an answer whose head is yet to be written. It has no close codes: its end is its end. A client
 * that reads nothing of what waits for it for `unreadFor` ms (30 s) is cut off, as of any answer: it comes back to where it was.
 */
export function createStreamChannel(
  response: ServerResponse,
  { began, log }: Stream,
  unreadFor = UNREAD_FOR,
): Channel {
  const stream = { began, log };
  // Node's time-out counts from the last byte that went out. One that waits for events has nothing to read, and any time.
  const hasRoom = () => {
    if (response.writableNeedDrain) response.setTimeout(unreadFor);
    return !response.writableNeedDrain;
  };
  response.on('drain', () => response.setTimeout(0));
  const isOpen = () => !response.writableEnded && !response.destroyed;
  // Node ends the answer, too: what the client left would lie here for ever.
  response.socket?.once('end', () => response.destroy());
  return {
    get open() {
      return isOpen();
    },
    get drained() {
      return response.writableLength === 0;
    },
    event(event) {
      if (!isOpen()) return false;
      response.write(streamEventOf(event, stream));
      return hasRoom();
    },
    control(frame) {
      if (!isOpen()) return false;
      if ('log' in frame) stream.log = frame.log; // the one told last is the one to resume by
      response.write(streamControl(frame, stream));
      return hasRoom();
    },
    probe() {}, // the position that goes out anyway is one: TCP notices when the client does not acknowledge it
    end: () => void response.end(),
    onDrain: listener => response.on('drain', listener),
    onClose: listener => response.on('close', () => listener(0)),
  };
}
