// An answer of Server-Sent Events (WHATWG HTML, section 9.2) as a session's channel.
import type { ServerResponse } from 'node:http';
import type { Channel } from './channel.ts';
import { type Stream, streamControl, streamEventOf } from './frames.ts';

/** The channel of an answer whose head is yet to be written. It has no close codes: its end is its end. */
export function createStreamChannel(response: ServerResponse, { began, log }: Stream): Channel {
  const stream = { began, log };
  const hasRoom = () => !response.writableNeedDrain;
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
