// Hears the sequencer's NOTIFY through pg-listen and passes it on as a hint.
import pgListen from 'pg-listen';
import { z } from 'zod';
import type { Source } from '../feed/source.ts';
import type { Logger } from '../logger.ts';
import { createOutage } from '../outage.ts';
import { sessionConfig } from '../postgres/session.ts';
import { within } from '../within.ts';

// pg-listen gives up when a connection is lost while LISTEN is being restored: only this check brings it back.
const CHECK_EVERY = 3_000; // ms
const ANSWER_WITHIN = 5_000; // ms
const LISTEN_AGAIN = 1_000; // ms
const STOP_WITHIN = 1_000; // ms

const Hint = z.union([
  z.object({ last: z.number().int().positive() }),
  z.object({ log: z.string() }),
  z.object({ vacant: z.literal(true) }),
  z.object({ tokens: z.literal(true) }),
]);

/**
 * Listens on `channel`, for ever: a lost connection is opened again. `heard` is told of each range's last position;
 * `missed` that the log itself has to be looked at: it has become another one, or LISTEN has just come into force, and
 * what was notified before was not heard; `vacant` that a leader has given up its lock; `tokens` that tokens have changed.
 */
export function createListener(options: {
  url: string;
  service: string;
  channel: string;
  heard(last: number): void;
  missed(): void;
  vacant(): void;
  tokens(): void;
  logger: Logger;
}): Source {
  const { url, service, channel, heard, missed, vacant, tokens, logger } = options;
  const outage = createOutage(logger, {
    begun: 'the listener does not listen, and goes on trying',
    ended: 'the listener listens again',
  });
  let listening = false;
  let stopped = false;
  let retry: NodeJS.Timeout | undefined;
  const subscriber = pgListen.default(
    { ...sessionConfig({ url, service, name: 'listener' }), query_timeout: ANSWER_WITHIN },
    { retryTimeout: 0, retryInterval: 250, paranoidChecking: CHECK_EVERY, parse: text => text },
  );
  subscriber.events.on('reconnect', () => {
    if (stopped) throw new Error('the listener has stopped'); // its only way out: close() lets it go on trying
    lost();
  });
  // It has a connection again, where LISTEN was refused: a standby, which says so for as long as it is one.
  subscriber.events.on('error', listenLater);
  subscriber.events.on('connected', () => {
    if (stopped) return void end(); // close() does not stop a reconnect that is under way
    if (outage.ongoing) ready(); // at the first connect LISTEN comes later: see start()
  });
  // Anybody who may connect can NOTIFY: what makes no sense is no hint.
  subscriber.notifications.on(channel, (payload: unknown) => {
    const hint = Hint.safeParse(parseJson(payload));
    if (!hint.success) return;
    if ('last' in hint.data) heard(hint.data.last);
    else if ('log' in hint.data) missed();
    else if ('vacant' in hint.data) vacant();
    else tokens();
  });

  async function end(): Promise<void> {
    await subscriber.close().catch(() => {}); // it is over either way
  }

  function lost(error?: unknown): void {
    listening = false;
    outage.begin(error);
  }

  function listenLater(error: unknown): void {
    if (stopped) return;
    lost(error);
    clearTimeout(retry);
    retry = setTimeout(listen, LISTEN_AGAIN);
  }

  async function listen(): Promise<void> {
    if (stopped || listening) return;
    try {
      await subscriber.unlisten(channel); // or it is taken for done
      await subscriber.listenTo(channel);
      ready();
    } catch (error) {
      listenLater(error);
    }
  }

  function ready(): void {
    clearTimeout(retry);
    outage.end();
    listening = true;
    missed();
  }

  return {
    name: 'listener',
    get obstacle() {
      return listening ? undefined : 'the listener does not listen';
    },
    warnings: [],
    async start() {
      try {
        await subscriber.connect();
        await subscriber.listenTo(channel);
        ready();
      } catch (error) {
        listenLater(error);
      }
    },
    async stop() {
      stopped = true;
      listening = false;
      clearTimeout(retry);
      await within(STOP_WITHIN, end());
    },
  };
}

function parseJson(payload: unknown): unknown {
  try {
    return JSON.parse(String(payload));
  } catch {
    return undefined;
  }
}
