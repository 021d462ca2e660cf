// Hands upgrade requests of an HTTP server to Koa, so that a WebSocket route is a route like any other.
import type { IncomingMessage, Server } from 'node:http';
import { ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** Answers an upgrade, by a WebSocket or otherwise. */
export type UpgradeHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/**
 * Without an upgrade listener Node keeps its HTTP parser on the socket, takes the first frame for the beginning of a
 * request, and answers 408 into the WebSocket when `headersTimeout` has passed. With one, the parser is gone by now:
 * what it had read beyond the request goes back, and the answer, if it is not an upgrade, ends the connection. The
 * socket is paused: the upgrader resumes it once listening, for what came with the handshake may be anything.
 */
export function handUpgradesTo(handle: UpgradeHandler, server: Server): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (!(socket instanceof Socket)) throw new TypeError('only TCP carries upgrades here');
    socket.on('error', ignore); // a peer that resets; the next writer is told
    socket.pause();
    if (head.length > 0) socket.unshift(head);
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.on('finish', () => {
      if (!response.socket) return; // let go: it is a WebSocket by now
      response.detachSocket(socket);
      socket.destroySoon(); // end() would wait for the other side, for ever if it likes
    });
    handle(request, response).catch(() => socket.destroy());
  });
}

// Made out here: inside, what it closes over would keep the answer alive.
function ignore(): void {}

/**
 * Forgets the request of a connection that is a WebSocket now. A caller that waits for its answer to finish, as Koa does, would
 * otherwise keep it, the answer and the context for as long as the socket lives: a third of what a socket costs.
 */
export function detachResponse(response: ServerResponse): void {
  if (response.socket) response.detachSocket(response.socket);
  response.emit('finish');
}
