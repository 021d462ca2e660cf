// The WebSocket side as a Koa application of its own: nothing in http/ can reach it, and it changes no data.
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import Koa from 'koa';
import easyWs from 'koa-easy-ws';
import type { ServerOptions, WebSocket } from 'ws';
import type { Hub } from '../feed/hub.ts';
import type { Log } from '../feed/subscription.ts';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { CLOSE } from './frames.ts';
import { readParameters } from './parameters.ts';
import { type Session, serveClient } from './session.ts';

type WithSocket = { ws?: () => Promise<WebSocket> };

/** The application and its life: start() begins the ticking, stop() closes every socket with 1001. */
export interface SocketApp extends Service {
  readonly app: Koa<Koa.DefaultState, WithSocket>;
  readonly count: number;
}

export interface SocketAppOptions {
  hub: Hub;
  log: Log;
  /** What each path is about. */
  topics: Readonly<Record<string, string>>;
  /** Browsers' origins that may connect, besides the service's own. */
  allowedOrigins: readonly string[];
  logger: Logger;
}

const TICK = 10_000; // ms; clients may count on a position every 15 s
const GRACE = 2_000; // ms a client has to answer a close
const LARGEST_MESSAGE = 16 * 1024; // bytes

// The package's types describe an ES module; what it exports is the function.
const webSockets = easyWs as unknown as (
  property: string,
  options: { wsOptions: ServerOptions },
) => Koa.Middleware<Koa.DefaultState, WithSocket>;

export function createSocketApp(options: SocketAppOptions): SocketApp {
  const sessions = new Set<Session>();
  const open = new Set<WebSocket>(); // those that were refused as well, until they are closed
  const app = new Koa<Koa.DefaultState, WithSocket>();
  let ticking: NodeJS.Timeout | undefined;
  let stopping = false;
  const empty = Promise.withResolvers<void>();
  app.silent = true;
  app.use(
    webSockets('ws', {
      wsOptions: { maxPayload: LARGEST_MESSAGE, perMessageDeflate: false, clientTracking: false },
    }),
  );
  app.use(async context => {
    const topic = options.topics[context.path];
    if (topic === undefined || !context.ws) {
      context.status = 404;
      context.body = 'There is no such WebSocket.\n';
      return;
    }
    const { req, querystring } = context;
    const webSocket = await accept(context.ws, req.socket);
    if (webSocket)
      await serve(webSocket, topic, {
        socket: req.socket,
        query: new URLSearchParams(querystring),
        headers: req.headers,
      });
  });

  async function serve(webSocket: WebSocket, topic: string, from: Request): Promise<void> {
    webSocket.on('error', () => {}); // 'close' follows; too large or broken a frame is the client's affair
    open.add(webSocket);
    webSocket.on('close', () => {
      open.delete(webSocket);
      if (stopping && open.size === 0) empty.resolve();
    });
    let session: Session | undefined;
    logEnd(webSocket, topic, from, () => session?.sent ?? 0);
    const refusal = stopping ? { code: CLOSE.goingAway, reason: 'the instance is going away' } : refuse(from);
    if (refusal) return webSocket.close(refusal.code, refusal.reason);
    const parameters = readParameters(from.query);
    if (typeof parameters === 'string') return webSocket.close(CLOSE.badParameters, shorten(parameters));
    try {
      session = await serveClient({ ...options, webSocket, socket: from.socket, topic, parameters });
      keep(session, webSocket);
    } catch (error) {
      options.logger.debug({ err: error }, 'a socket came while the log could not be read');
      webSocket.close(CLOSE.tryAgainLater, 'the database is away; try again');
    }
  }

  // One line at the end of each socket's life, whether it was served or refused.
  function logEnd(
    webSocket: WebSocket,
    topic: string,
    { socket, headers }: Request,
    sent: () => number,
  ): void {
    const opened = performance.now();
    const client = socket.remoteAddress; // gone by the time of the line
    const requestId = headers['x-request-id'];
    webSocket.on('close', code => {
      const seconds = Math.round(performance.now() - opened) / 1000;
      const line = { client, topic, seconds, events: sent(), code };
      options.logger.info({ ...(requestId !== undefined && { request_id: requestId }), ...line }, 'socket');
    });
  }

  function keep(session: Session, webSocket: WebSocket): void {
    if (webSocket.readyState === webSocket.CLOSED) return;
    sessions.add(session);
    webSocket.on('close', () => {
      sessions.delete(session);
    });
    if (stopping) session.close(CLOSE.goingAway, 'the instance is going away');
  }

  // RFC 6455, section 10.2: a browser tells whose page opens the socket; others send no Origin.
  function refuse({ headers }: Request): { code: number; reason: string } | undefined {
    const { origin, host } = headers;
    if (origin === undefined || options.allowedOrigins.includes(origin)) return undefined;
    if (URL.canParse(origin) && new URL(origin).host === host) return undefined;
    return { code: CLOSE.notAllowed, reason: 'this origin is not allowed' };
  }

  return {
    name: 'sockets',
    app,
    get count() {
      return sessions.size;
    },
    async start() {
      ticking ??= setInterval(() => {
        for (const session of sessions) session.tick();
      }, TICK);
    },
    async stop() {
      stopping = true;
      clearInterval(ticking);
      for (const session of sessions) session.close(CLOSE.goingAway, 'the instance is going away');
      const grace = setTimeout(empty.resolve, GRACE);
      if (open.size > 0) await empty.promise;
      clearTimeout(grace);
      for (const webSocket of open) webSocket.terminate();
    },
  };
}

interface Request {
  socket: Socket;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
}

// A handshake that ws refuses never settles: then the socket is closed instead.
async function accept(upgrade: () => Promise<WebSocket>, socket: Socket): Promise<WebSocket | undefined> {
  const closed = new Promise<undefined>(resolve => socket.once('close', () => resolve(undefined)));
  return Promise.race([upgrade(), closed]);
}

// A close frame's reason has at most 123 bytes (RFC 6455, section 5.5).
function shorten(reason: string): string {
  if (Buffer.byteLength(reason) <= 123) return reason;
  return `${Buffer.from(reason)
    .subarray(0, 119)
    .toString('utf8')
    .replace(/\uFFFD$/, '')}…`;
}
