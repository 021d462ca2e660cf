// Server-Sent Events (WHATWG HTML, section 9.2), as far as both who streams and who answers errors must know them.
import type { IncomingMessage } from 'node:http';

const NAMED = /(^|,)\s*text\/event-stream\s*(;|,|$)/i;

/** Whether the client says that it reads an event stream, as every EventSource does; one that takes anything does not. */
export function readsEventStream({ headers: { accept } }: IncomingMessage): boolean {
  return accept !== undefined && NAMED.test(accept);
}
