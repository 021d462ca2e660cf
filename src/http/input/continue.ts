// 100 Continue (RFC 9110, section 10.1.1): a client that asks before it sends its body is told to when the body is about
// to be read, so that one which is refused for what its headers say never sends it.
import type { IncomingMessage, ServerResponse } from 'node:http';

const held = new WeakMap<IncomingMessage, ServerResponse>();

/**
 * Keeps a request whose client waits for 100 Continue. Its connection ends with the answer: a client that was told no may
 * or may not send the body after all, and the next request could not be told from it.
 */
export function holdBody(request: IncomingMessage, response: ServerResponse): void {
  held.set(request, response);
  response.shouldKeepAlive = false;
}

/** Tells the client to send the body, if it waits for that. */
export function askForBody(request: IncomingMessage): void {
  held.get(request)?.writeContinue();
  held.delete(request);
}
