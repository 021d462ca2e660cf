// The WebSocket side as a Koa application of its own: nothing in http/ can reach it, and it changes no data.
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import Koa from 'koa';
import easyWs from 'koa-easy-ws';
import type { ServerOptions, WebSocket } from 'ws';
import { isTypeOf, type TopicInfo } from '../events.ts';
import type { Filter } from '../feed/filter.ts';
import type { Hub } from '../feed/hub.ts';
import type { Log } from '../feed/log_reader.ts';
import { judge } from '../feed/subscription.ts';
import type { Logger } from '../logger.ts';
import type { Origins } from '../origins.ts';
import { isReadable } from '../request_target.ts';
import type { Channel } from './channel.ts';
import { CLOSE } from './frames.ts';
import { type Place, readParameters, sentence } from './parameters.ts';
import { createSession, type Session } from './session.ts';
import type { Sessions } from './sessions.ts';
import { createSocketChannel } from './socket_channel.ts';
import { letGo } from './upgrade.ts';

type WithSocket = { ws?: () => Promise<WebSocket> };

export type SocketApp = Koa<Koa.DefaultState, WithSocket>;

export interface SocketAppOptions {
  hub: Hub;
  log: Log;
  sessions: Sessions;
  /** What each path is about. */
  places: Readonly<Record<string, Place>>;
  /** Which pages may connect. */
  origins: Origins;
  logger: Logger;
}

const LARGEST_MESSAGE = 16 * 1024; // bytes

// The package's types describe an ES module; what it exports is the function.
const webSockets = easyWs as unknown as (
  property: string,
  options: { wsOptions: ServerOptions },
) => Koa.Middleware<Koa.DefaultState, WithSocket>;

export function createSocketApp(options: SocketAppOptions): SocketApp {
  const { hub, log, sessions, logger } = options;
  const app = new Koa<Koa.DefaultState, WithSocket>();
  app.silent = true;
  app.use(async (context, next) => {
    if (isReadable(context)) return next();
    context.status = 400;
    context.body = 'The request target is no URL.\n';
  });
  app.use(
    webSockets('ws', {
      wsOptions: {
        maxPayload: LARGEST_MESSAGE,
        perMessageDeflate: false,
        clientTracking: false,
        autoPong: false,
      },
    }),
  );
  app.use(async context => {
    const place = options.places[context.path];
    if (place === undefined || !context.ws) {
      context.status = 404;
      context.body = 'There is no such WebSocket.\n';
      return;
    }
    const { req, res, path, querystring } = context;
    const { socket, headers } = req;
    const webSocket = await accept(context.ws, socket);
    if (!webSocket) return;
    letGo(res);
    await serve(webSocket, { place, path, query: querystring, socket, headers });
  });

  async function serve(webSocket: WebSocket, request: Request): Promise<void> {
    webSocket.on('error', () => {}); // 'close' follows; too large or broken a frame is the client's affair
    const entry = sessions.enter(clientOf(webSocket, request));
    webSocket.on('close', entry.left);
    const channel = createSocketChannel(webSocket, request.socket);
    request.socket.resume();
    const refusal = refuse(request);
    if (refusal) return channel.end(refusal.code, refusal.reason);
    try {
      const session = await open(channel, request);
      if (session) entry.serve(session);
    } catch (error) {
      logger.debug({ err: error }, 'a socket came while the log could not be read');
      channel.end(CLOSE.tryAgainLater, 'the database is away; try again');
    }
  }

  async function open(channel: Channel, { place, query }: Request): Promise<Session | undefined> {
    const wanted = await readParameters(query, place, log.topics);
    if (Array.isArray(wanted)) {
      channel.end(CLOSE.badParameters, shorten(sentence(wanted)));
      return undefined;
    }
    const head = await log.head();
    const reason = judge(head, { after: wanted.after, log: wanted.log });
    if (reason) {
      channel.control({ type: 'reset', reason });
      channel.end(CLOSE.reset, reason);
      return undefined;
    }
    const snapshot = wanted.snapshot ? await topicsOf(wanted.filter) : [];
    const { after = head.head, filter } = wanted;
    return channel.open
      ? createSession({ channel, hub, log, head, after, filter, snapshot, logger })
      : undefined;
  }

  // Those that the events can be of.
  async function topicsOf({ topics, types }: Filter): Promise<readonly string[]> {
    const isMeant = (info: TopicInfo) =>
      (topics.size === 0 || topics.has(info.topic)) &&
      (types.size === 0 || [...types].some(type => isTypeOf(type, info)));
    return (await log.topics()).filter(isMeant).map(({ topic }) => topic);
  }

  // RFC 6455, section 10.2: a browser tells whose page opens the socket; others send no Origin.
  function refuse({ headers }: Request): { code: number; reason: string } | undefined {
    if (sessions.ending.aborted) return { code: CLOSE.goingAway, reason: 'the instance is going away' };
    const reason = options.origins.refuseHost(headers) ?? options.origins.refusePage(headers);
    return reason === undefined ? undefined : { code: CLOSE.notAllowed, reason: shorten(reason) };
  }

  return app;
}

interface Request {
  place: Place;
  path: string;
  query: string;
  socket: Socket;
  headers: IncomingHttpHeaders;
}

function clientOf(webSocket: WebSocket, { path, socket, headers }: Request) {
  const requestId = headers['x-request-id'];
  return {
    kind: 'socket',
    address: socket.remoteAddress, // gone by the time of the line
    request_id: typeof requestId === 'string' ? requestId : undefined,
    path,
    cut: () => webSocket.terminate(),
  } as const;
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
