// Where an instance is asked: an HTTP server that listens before the database is there, so that whoever asks is told.
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { handUpgradesTo, type UpgradeHandler } from '../delivery/upgrade.ts';
import { createWaitingApp, type WaitingOptions } from '../http/app.ts';
import type { Service } from '../lifecycle.ts';
import { listening, type Place } from './listening.ts';

const REQUEST_TIMEOUT = 30_000; // ms for a request to arrive, its body included
const CHECK_EVERY = 2_000; // ms; Node's own 30 s would double it

export interface DoorOptions extends WaitingOptions {
  /** Where it listens. */
  config: Place;
}

/** The door: who is asked changes once, from nobody to those who serve. */
export interface Door {
  /** Listens from start() to stop(). */
  http: Service;
  /** Serves; until then everything is 503. */
  open(requests: RequestListener, upgrades: UpgradeHandler): void;
  readonly address: string;
}

/** The door of an instance. */
export function createDoor({ config, ...waiting }: DoorOptions): Door {
  const refuse = createWaitingApp(waiting).callback();
  let requests: RequestListener = refuse;
  let upgrades: UpgradeHandler = refuse;
  let address = '';
  const server = createServer(
    {
      requestTimeout: REQUEST_TIMEOUT,
      connectionsCheckingInterval: CHECK_EVERY,
      shouldUpgradeCallback: isWebSocket,
    },
    (request, response) => requests(request, response),
  );
  handUpgradesTo((request, response) => upgrades(request, response), server);
  const http = listening(server, config);
  return {
    http: {
      ...http,
      async start() {
        await http.start();
        address = addressOf(server);
      },
    },
    open(forRequests, forUpgrades) {
      requests = forRequests;
      upgrades = forUpgrades;
    },
    get address() {
      return address;
    },
  };
}

// Other upgrades, such as curl's and Java's to HTTP/2, may be ignored (RFC 9110, section 7.8): the request is answered.
function isWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket';
}

function addressOf(server: Server): string {
  const { address, port, family } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}
