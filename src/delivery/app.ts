// The WebSocket side as a Koa application of its own: nothing in http/ can reach it, and it changes no data.
import type { IncomingMessage } from 'node:http';
import Koa from 'koa';
import easyWs from 'koa-easy-ws';
import type { ServerOptions, WebSocket, WebSocketServer } from 'ws';
import { type ErrorCode, ServiceError } from '../errors.ts';
import { isTypeOf, type WatchedTopic } from '../events.ts';
import type { Filter } from '../feed/filter.ts';
import type { Hub } from '../feed/hub.ts';
import type { Log } from '../feed/log_reader.ts';
import { canResume } from '../feed/subscription.ts';
import type { Logger } from '../logger.ts';
import { type Access, type Caller, requireScope, setCaller, visibleTopicsOf } from '../web/access.ts';
import { COST } from '../web/operation.ts';
import type { Origins } from '../web/origins.ts';
import type { RateLimit } from '../web/rate_limit.ts';
import type { Channel } from './channel.ts';
import { CLOSE } from './frames.ts';
import { type FeedEndpoint, readParameters, sentence } from './parameters.ts';
import type { Place, Places } from './places.ts';
import { createSession, type Session } from './session.ts';
import type { Sessions } from './sessions.ts';
import { createSocketChannel } from './socket_channel.ts';
import { detachResponse } from './upgrade.ts';

type WithSocket = { ws?: () => Promise<WebSocket> };

type SocketApp = Koa<Koa.DefaultState, WithSocket>;

interface SocketAppOptions {
  hub: Hub;
  log: Log;
  sessions: Sessions;
  /** How many there is room for. */
  places: Places;
  /** What each path is about. */
  endpoints: Readonly<Record<string, FeedEndpoint>>;
  /** Who asks. */
  access: Access;
  /** Which pages may connect. */
  origins: Origins;
  /** How much a client may ask for; without it as much as it likes. */
  rateLimit?: RateLimit | undefined;
  /** What answers and logs a handshake that is refused: a ServiceError is thrown. It gives each a `state.requestId`. */
  around: readonly Koa.Middleware[];
  logger: Logger;
}

const SUBPROTOCOL = 'taskwire.v1';
const WS_OPTIONS = {
  maxPayload: 16 * 1024, // bytes
  perMessageDeflate: false,
  clientTracking: false,
  autoPong: false,
  // Of what a client offers (RFC 6455, section 4.2.2): ws itself would take the first, whatever it means by it.
  handleProtocols: (offered: Set<string>) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
} satisfies ServerOptions;

// The package's types describe an ES module; what it exports is the function.
const webSockets = easyWs as unknown as (
  property: string,
  options: { wsOptions: ServerOptions },
) => Koa.Middleware<Koa.DefaultState, WithSocket> & { server: WebSocketServer };

export function createSocketApp(options: SocketAppOptions): SocketApp {
  const { hub, log, sessions, places, logger, rateLimit } = options;
  const app = new Koa<Koa.DefaultState, WithSocket>();
  app.silent = true;
  for (const each of options.around) app.use(each);
  const upgrading = webSockets('ws', { wsOptions: WS_OPTIONS });
  const violations = violationsOf(upgrading.server);
  for (const [path, { access }] of Object.entries(options.endpoints))
    if (!access) throw new TypeError(`${path} does not say what its client must be allowed to`);
  app.use(upgrading);
  app.use(async context => {
    const { req, res, path, querystring, state } = context;
    const endpoint = options.endpoints[path];
    if (endpoint === undefined || !context.ws)
      throw new ServiceError('not_found', `there is no WebSocket at ${path}`);
    if (context.method !== 'GET')
      throw new ServiceError('method_not_allowed', `${path} takes GET`, { headers: { Allow: 'GET' } });
    context.status = 101;
    const webSocket = await accept(context, violations);
    if (!webSocket) return;
    detachResponse(res);
    const { requestId } = state;
    await serve(webSocket, { endpoint, path, query: querystring, request: req, requestId });
  });

  async function serve(webSocket: WebSocket, request: Request): Promise<void> {
    webSocket.on('error', () => {}); // 'close' follows; too large or broken a frame is the client's affair
    const { socket } = request.request;
    const channel = createSocketChannel(webSocket, socket);
    const entry = sessions.enter(clientOf(webSocket, channel, request));
    webSocket.on('close', entry.left);
    socket.resume();
    const caller = await identify(request);
    if ('code' in caller) return channel.end(caller.code, caller.reason);
    if (!channel.open) return; // it has gone meanwhile
    entry.signedIn(caller);
    try {
      rateLimit?.charge({ req: request.request, set: () => {} }, COST.read);
      const place = places.take(request.request);
      webSocket.on('close', place.leave);
      const session = await open(channel, request, { caller, place });
      if (session) entry.serve(session);
    } catch (error) {
      const code = error instanceof ServiceError ? CLOSE_OF[error.code] : undefined;
      if (code !== undefined) return channel.end(code, shorten((error as ServiceError).message));
      logger.debug({ err: error }, 'a socket came while the log could not be read');
      channel.end(CLOSE.tryAgainLater, 'the database is away; try again');
    }
  }

  async function open(
    channel: Channel,
    { endpoint, query }: Request,
    { caller, place }: { caller: Caller; place: Place },
  ): Promise<Session | undefined> {
    const wanted = await readParameters(query, endpoint, log.topics, caller);
    if (Array.isArray(wanted)) {
      channel.end(CLOSE.badParameters, shorten(sentence(wanted)));
      return undefined;
    }
    const head = await (wanted.snapshot ? log.moment() : log.head());
    const reason = canResume(head, { after: wanted.after, log: wanted.log });
    if (reason) {
      channel.control({ type: 'reset', reason });
      channel.end(CLOSE.reset, reason);
      return undefined;
    }
    const { after = head.head, filter } = wanted;
    const meant = wanted.snapshot ? await topicsOf(filter) : [];
    const keyless = meant.find(({ topic, has_key }) => !has_key && filter.topics.has(topic));
    if (keyless) {
      channel.end(
        CLOSE.badParameters,
        shorten(`snapshot: there is none of ${keyless.topic}, whose table lost its primary key`),
      );
      return undefined;
    }
    const snapshot = meant.flatMap(({ topic, has_key }) => (has_key ? [topic] : []));
    if (!channel.open) return undefined;
    if (wanted.snapshot) place.beginSnapshot();
    const { endSnapshot: snapshotEnded } = place;
    const visible = endpoint.topic === undefined ? visibleTopicsOf(caller) : undefined;
    return createSession({
      channel,
      hub,
      log,
      head,
      after,
      filter,
      visible,
      snapshot,
      snapshotEnded,
      logger,
    });
  }

  // Those that the events can be of.
  async function topicsOf({ topics, types }: Filter): Promise<readonly WatchedTopic[]> {
    const isMeant = (info: WatchedTopic) =>
      (topics.size === 0 || topics.has(info.topic)) &&
      (types.size === 0 || [...types].some(type => isTypeOf(type, info)));
    return (await log.topics()).filter(isMeant);
  }

  // Who asks, or why that is refused: told by a close frame, for a browser shows no page the answer to a handshake.
  // RFC 6455, section 10.2: a browser tells whose page opens the socket; others send no Origin.
  async function identify({ request, endpoint }: Request): Promise<Caller | Refusal> {
    if (sessions.ending.aborted) return { code: CLOSE.goingAway, reason: 'the instance is going away' };
    const { headers } = request;
    const reason = options.origins.refuseHost(headers) ?? options.origins.refusePage(headers);
    if (reason !== undefined) return { code: CLOSE.notAllowed, reason: shorten(reason) };
    try {
      const caller = await options.access.identify(request);
      setCaller(request, caller);
      requireScope(caller, endpoint.access);
      return caller;
    } catch (error) {
      const known = error instanceof ServiceError ? CLOSE_OF[error.code] : undefined;
      if (known === undefined) throw error;
      return { code: known, reason: shorten((error as ServiceError).message) };
    }
  }

  return app;
}

interface Refusal {
  code: number;
  reason: string;
}

const CLOSE_OF: Partial<Record<ErrorCode, number>> = {
  unauthenticated: CLOSE.notSignedIn,
  forbidden: CLOSE.notAllowed,
  unavailable: CLOSE.tryAgainLater,
  too_many_requests: CLOSE.tryAgainLater,
  busy: CLOSE.tryAgainLater,
};

interface Request {
  endpoint: FeedEndpoint;
  path: string;
  query: string;
  request: IncomingMessage;
  requestId: string;
}

function clientOf(webSocket: WebSocket, channel: Channel, { path, request: { socket }, requestId }: Request) {
  return {
    kind: 'socket',
    address: socket.remoteAddress, // gone by the time of the line
    request_id: requestId,
    path,
    end: channel.end,
    cut: () => webSocket.terminate(),
  } as const;
}

// What ws finds wrong with a handshake, which it tells at once: without a listener it would answer by itself.
function violationsOf(server: WebSocketServer): WeakMap<IncomingMessage, Error> {
  const violations = new WeakMap<IncomingMessage, Error>();
  server.on('wsClientError', (error, _socket, request) => violations.set(request, error));
  return violations;
}

// Throws for what is no handshake; undefined for a client that has gone, whose handshake never settles.
async function accept(
  context: Koa.ParameterizedContext<Koa.DefaultState, WithSocket>,
  violations: WeakMap<IncomingMessage, Error>,
): Promise<WebSocket | undefined> {
  const { req } = context;
  const closed = new Promise<undefined>(resolve => req.socket.once('close', () => resolve(undefined)));
  const upgraded = context.ws?.();
  const violation = violations.get(req);
  if (!violation) return Promise.race([upgraded, closed]);
  context.respond = true; // koa-easy-ws takes it for upgraded
  throw new ServiceError('malformed', `this is no WebSocket handshake: ${violation.message}`, {
    headers: { 'Sec-WebSocket-Version': '13' }, // RFC 6455, section 4.4
  });
}

// A close frame's reason has at most 123 bytes (RFC 6455, section 5.5).
function shorten(reason: string): string {
  if (Buffer.byteLength(reason) <= 123) return reason;
  return `${Buffer.from(reason)
    .subarray(0, 119)
    .toString('utf8')
    .replace(/\uFFFD$/, '')}…`;
}
