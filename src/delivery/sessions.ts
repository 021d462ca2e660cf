// Those who are being told: every client's session, whatever it came by, ticked together and ended together.
import { setTimeout as pause } from 'node:timers/promises';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { type Caller, TOKEN_ENDED } from '../web/access.ts';
import { within } from '../within.ts';
import { CLOSE } from './frames.ts';
import type { Session } from './session.ts';

/** Who a session is with, for the log. */
interface ConnectedClient {
  kind: 'socket' | 'stream';
  address: string | undefined;
  request_id: string;
  path: string;
  /** Ends the connection: with the code, where the protocol has one. */
  end(code: number, reason: string): void;
  /** Ends the connection without waiting for the other side. */
  cut(): void;
}

export interface Sessions extends Service {
  readonly count: number;
  /** Aborted when the instance is going away: no more are to come, and those who wait for something are not to. */
  readonly ending: AbortSignal;
  /** Enters a client as soon as it is connected; `left` is to be called once, with the close code, when it has gone. */
  enter(client: ConnectedClient): {
    /** It is known by this from now on, and sent away when that ends. */
    signedIn(caller: Caller): void;
    serve(session: Session): void;
    left(code: number): void;
  };
}

const TICK = 10_000; // ms; clients may count on a position every 15 s
const SIGNED_OUT_WITHIN = 500; // ms
const SPREAD_STEP = 50; // ms
const GRACE = 2_000; // ms a client has to answer a close
const GOING_AWAY = 'the instance is going away';

interface Entry {
  client: ConnectedClient;
  session: Session | undefined;
  /** The id of its token. */
  token: string | undefined;
}

/**
 * The sessions of an instance: start() begins the ticking, stop() ends every one with 1001, spread over so many milliseconds (0):
 * all at once they would come to the other instances all at once.
 */
export function createSessions(logger: Logger, { spread = 0 }: { spread?: number } = {}): Sessions {
  const entries = new Set<Entry>();
  const empty = Promise.withResolvers<void>();
  let ticking: NodeJS.Timeout | undefined;
  const ending = new AbortController();

  // One line at the end of each client's life, whether it was served or refused.
  function logEnd({ client, session, token }: Entry, opened: number, code: number): void {
    const seconds = Math.round(performance.now() - opened) / 1000;
    const { kind, address, request_id, path } = client;
    const events = session?.sent ?? 0;
    logger.info(
      {
        request_id,
        client: address,
        ...(token !== undefined && { token }),
        path,
        seconds,
        events,
        ...(kind === 'socket' && { code }),
      },
      kind,
    );
  }

  // A client that does not answer the close is told nothing more either way.
  function signOut(entry: Entry): void {
    const { session, client } = entry;
    if (session) session.close(CLOSE.notSignedIn, TOKEN_ENDED);
    else client.end(CLOSE.notSignedIn, TOKEN_ENDED);
    setTimeout(() => {
      if (entries.has(entry)) client.cut();
    }, SIGNED_OUT_WITHIN).unref();
  }

  // Those who have not been sent away yet go on being told.
  async function sendAway(): Promise<void> {
    const present = [...entries];
    const began = performance.now();
    for (let sent = 0; sent < present.length && entries.size > 0; ) {
      if (spread > 0) await pause(SPREAD_STEP);
      const share = spread > 0 ? Math.min(1, (performance.now() - began) / spread) : 1;
      const due = Math.ceil(present.length * share);
      for (const { session } of present.slice(sent, due)) session?.close(CLOSE.goingAway, GOING_AWAY);
      sent = due;
    }
  }

  return {
    name: 'sessions',
    get count() {
      return entries.size;
    },
    ending: ending.signal,
    enter(client) {
      const opened = performance.now();
      const entry: Entry = { client, session: undefined, token: undefined };
      entries.add(entry);
      let release = () => {};
      return {
        signedIn(caller) {
          entry.token = caller.token?.id;
          if (entries.has(entry)) release = caller.whenEnded(() => signOut(entry));
        },
        serve(session) {
          entry.session = session;
          if (ending.signal.aborted) session.close(CLOSE.goingAway, GOING_AWAY);
        },
        left(code) {
          if (!entries.delete(entry)) return;
          release();
          logEnd(entry, opened, code);
          if (ending.signal.aborted && entries.size === 0) empty.resolve();
        },
      };
    },
    async start() {
      ticking ??= setInterval(() => {
        for (const { session } of entries) session?.tick();
      }, TICK);
    },
    async stop() {
      ending.abort();
      await sendAway();
      clearInterval(ticking);
      if (entries.size > 0) await within(GRACE, empty.promise);
      for (const { client } of entries) client.cut();
    },
  };
}
