// The HTTP server of an instance. What it serves changes once, when the database is there; how it stops is what a proxy
// in front of it notices of a restart.

import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { handUpgradesTo, type UpgradeHandler } from '../delivery/upgrade.ts';
import { ServiceError } from '../errors.ts';
import { createWaitingApp, type WaitingOptions } from '../http/app.ts';
import { holdBody } from '../http/input/continue.ts';
import { answerUnparsed, refuseOn } from '../http/unparsed_request.ts';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { createOutage } from '../outage.ts';
import { settleWithin } from '../within.ts';
import { type ListenAddress, listen, stopListening } from './listening.ts';

const REQUEST_TIMEOUT = 30_000; // ms for a request to arrive, its body included
const UNREAD_FOR = 30_000; // ms that an answer may wait while its client reads nothing of it
const CHECK_EVERY = 2_000; // ms; Node's own 30 s would double it
const MOST_WAITING = 16; // requests of one connection that wait for their turn; then no more are read from it
const FAR_TOO_MANY = 500; // what one piece that was read may bring: a client that sends so many is cut off
const ROOM_AGAIN = 0.9; // of the connections that there may be: below it the log is told that there is room
const LAST_ANSWERS = 3_000; // ms for requests under way when it stops

interface HttpServerOptions extends WaitingOptions {
  /** Where it listens. */
  config: ListenAddress;
  /** How long a request may take to arrive, in ms, and how often that is looked at. */
  requestTimeout?: number;
  checkEvery?: number;
  /** How many connections there may be; without it as many as come. */
  mostConnections?: number;
  /** Told of each connection that is turned away. */
  refused?: () => void;
  /** For how many ms an answer may wait while its client reads nothing of it. */
  unreadFor?: number;
}

interface HttpServer {
  /** Takes connections, from start() to stop(). */
  listening: Service;
  /** Requests under way: stop() gives them their time, and then cuts them off. */
  answers: Service;
  /** Serves; until then everything is 503. */
  serve(requests: RequestListener, upgrades: UpgradeHandler): void;
  /** From now on each connection ends with its next answer, so that its client takes another one elsewhere. */
  drain(): void;
  readonly address: string;
}

/** The HTTP server of an instance. */
export function createHttpServer({
  config,
  requestTimeout = REQUEST_TIMEOUT,
  checkEvery = CHECK_EVERY,
  unreadFor = UNREAD_FOR,
  mostConnections = Number.POSITIVE_INFINITY,
  refused = () => {},
  ...waiting
}: HttpServerOptions): HttpServer {
  const { logger } = waiting;
  const refuse = createWaitingApp(waiting).callback();
  let requests: RequestListener = refuse;
  let upgrades: UpgradeHandler = refuse;
  let address = '';
  let draining = false;
  let closed: Promise<unknown> | undefined;
  const underWay = new Set<ServerResponse>();
  const connections = new Map<Socket, (() => void)[]>(); // those that were asked something: a turn for each request, in order
  const server = createServer({
    requestTimeout,
    connectionsCheckingInterval: checkEvery,
    requireHostHeader: false, // Node would answer by itself, without a word
    shouldUpgradeCallback: isWebSocket,
  });

  limitConnections(server, { most: mostConnections, refused, logger });

  const serve: RequestListener = (request, response) => {
    const { socket } = request;
    const turns = connections.get(socket) ?? note(socket);
    const turn = () => {
      if (draining) response.shouldKeepAlive = false;
      cutUnread(response, unreadFor);
      requests(request, response);
    };
    // What is sent without waiting for answers is done one after the other, as it was meant (RFC 9112, section 9.3.2). A client
    // that sends a thousand requests at once has one under way, and one that reads no answer lets one lie here.
    turns.push(turn);
    if (turns.length > FAR_TOO_MANY) return void socket.destroy();
    if (turns.length > MOST_WAITING) socket.pause();
    underWay.add(response);
    response.once('close', () => {
      underWay.delete(response);
      const isNextDue = turns[0] === turn && !socket.destroyed;
      turns.splice(turns.indexOf(turn), 1);
      if (draining && turns.length === 0) socket.destroySoon(); // an event stream's, which was told of no end
      if (isNextDue) turns[0]?.();
      if (turns.length === MOST_WAITING && !socket.destroyed) socket.resume();
    });
    if (turns.length === 1) turn();
  };

  function note(socket: Socket): (() => void)[] {
    const turns: (() => void)[] = [];
    connections.set(socket, turns);
    socket.once('close', () => connections.delete(socket));
    return turns;
  }

  server.on('request', serve);
  server.on('checkContinue', (request, response) => {
    holdBody(request, response);
    serve(request, response);
  });
  server.on('checkExpectation', serve); // what else is expected may be ignored (RFC 9110, section 10.1.1)
  server.on('clientError', (error, socket) => {
    const begun = [...underWay].find(({ req }) => req.socket === socket);
    if (begun?.headersSent && !begun.writableFinished) return void socket.destroy();
    answerUnparsed(error, { socket, logger, requestId: begun?.getHeader('X-Request-Id')?.toString() });
  });
  // Without a listener Node hangs up.
  server.on('connect', (_request, socket) =>
    refuseOn(
      { socket, logger },
      new ServiceError('method_unknown', 'CONNECT is for proxies, and this is none'),
    ),
  );
  handUpgradesTo((request, response) => upgrades(request, response), server);

  function drain(): void {
    draining = true;
    for (const response of underWay) response.shouldKeepAlive = false;
  }

  return {
    listening: {
      name: 'listening',
      async start() {
        if (server.listening) return;
        await listen(server, config);
        address = addressOf(server);
      },
      async stop() {
        drain();
        if (!server.listening) return;
        closed = once(server, 'close');
        await stopListening(server);
        for (const [socket, turns] of connections) if (turns.length === 0) socket.destroySoon();
      },
    },
    answers: {
      name: 'answers',
      start: async () => {},
      async stop() {
        await settleWithin(LAST_ANSWERS, closed);
        server.closeAllConnections();
      },
    },
    serve(forRequests, forUpgrades) {
      requests = forRequests;
      upgrades = forUpgrades;
    },
    drain,
    get address() {
      return address;
    },
  };
}

// Past what the process may open, a connection could not even be turned away, and one to the database could not be made.
function limitConnections(
  server: Server,
  { most, refused, logger }: { most: number; refused: () => void; logger: Logger },
): void {
  if (!Number.isFinite(most)) return;
  server.maxConnections = most;
  const outage = createOutage(logger, {
    begun: 'there are as many connections as the process may open files (ulimit -n): others are turned away',
    ended: 'there is room for connections again',
    fields: { most },
  });
  server.on('drop', () => {
    outage.begin();
    refused();
  });
  let open = 0;
  server.on('connection', (socket: Socket) => {
    open++;
    socket.once('close', () => {
      open--;
      if (open < most * ROOM_AGAIN) outage.end();
    });
  });
}

// An answer that is complete here lies in the memory until its client has read it. Node's time-out counts from the last byte
// that went out, and is another one again once all have. An event stream has its own, see stream_channel.ts.
function cutUnread(response: ServerResponse, patience: number): void {
  response.once('prefinish', () => response.setTimeout(patience));
}

// Other upgrades, such as curl's and Java's to HTTP/2, may be ignored (RFC 9110, section 7.8): the request is answered.
function isWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket';
}

function addressOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
