// The connection to NATS: one at a time, made again whenever it is lost. A lost one takes everything with it that was on
// its way: the client's own reconnecting would send later what was meant for before.
import { setTimeout as pause } from 'node:timers/promises';
import { type ConnectionOptions, connect, type NatsConnection } from '@nats-io/transport-node';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { within } from '../within.ts';
import { createIncident, type Incident } from './incident.ts';

interface Connector extends Service {
  /** The connection there is now. */
  readonly connection: NatsConnection | undefined;
  readonly incident: Incident;
}

const CONNECT_AGAIN = 1_000; // ms
const CONNECT_WITHIN = 5_000; // ms
const PING_EVERY = 5_000; // ms; a server that owes three answers is gone
const STOP_WITHIN = 2_000; // ms

/** Hands each connection to `serve`, which must come to its end when `lost` aborts. start() returns at once. */
export function createConnector(options: {
  url: string;
  service: string;
  serve(connection: NatsConnection, lost: AbortSignal): Promise<void>;
  logger: Logger;
}): Connector {
  const { url, service, serve, logger } = options;
  const incident = createIncident(logger, 'NATS is away', 'NATS is there');
  const stopping = new AbortController();
  let connection: NatsConnection | undefined;
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await use(await connect(optionsFor(url, service)));
      } catch (error) {
        if (!stopping.signal.aborted) incident.begin(error);
      }
      await pause(CONNECT_AGAIN, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  async function use(made: NatsConnection): Promise<void> {
    const lost = new AbortController();
    const close = () => made.close();
    stopping.signal.addEventListener('abort', close);
    if (stopping.signal.aborted) await close();
    const closed = made.closed().then(error => {
      connection = undefined;
      lost.abort();
      return error ?? new Error('the connection was closed');
    });
    connection = made;
    if (incident.reason === undefined) logger.info('NATS is there'); // the first one
    incident.end();
    void tellComplaints(made, logger);
    await serve(made, lost.signal).finally(close);
    stopping.signal.removeEventListener('abort', close);
    throw await closed;
  }

  return {
    get connection() {
      return connection;
    },
    incident,
    name: 'nats',
    async start() {
      running ??= run();
    },
    async stop() {
      stopping.abort();
      await within(STOP_WITHIN, running);
    },
  };
}

/** How an address is connected to; its user and password, or its token, go nowhere else. */
export function optionsFor(url: string, service: string): ConnectionOptions {
  const { protocol, hostname, port, username, password } = new URL(url);
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
  return {
    servers: `${hostname}:${port || '4222'}`,
    name: service,
    ...(user !== '' && (pass === '' ? { token: user } : { user, pass })),
    ...(protocol === 'tls:' && { tls: {} }),
    reconnect: false,
    timeout: CONNECT_WITHIN,
    pingInterval: PING_EVERY,
    maxPingOut: 2,
    noAsyncTraces: true, // a stack for each of thousands of publishes
  };
}

// What the server will not let this user do comes as an event, and to the caller only as silence.
async function tellComplaints(connection: NatsConnection, logger: Logger): Promise<void> {
  const told = new Set<string>();
  for await (const status of connection.status()) {
    if (status.type !== 'error' || told.has(status.error.message)) continue;
    told.add(status.error.message);
    logger.warn({ err: status.error }, 'NATS complains');
  }
}
