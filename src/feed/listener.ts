// Hears the sequencer's NOTIFY through pg-listen and passes it on as a hint.
import pgListen from 'pg-listen';
import { z } from 'zod';
import { sessionConfig } from '../database/session.ts';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';

// pg-listen gives up when a connection is lost while LISTEN is being restored: only this check brings it back.
const CHECK_EVERY = 3_000; // ms
const STOP_WITHIN = 1_000; // ms

const Hint = z.union([z.object({ last: z.number().int().positive() }), z.object({ log: z.string() })]);

/**
 * Listens on `channel`, for ever: a lost connection is opened again. `heard` is told of each range's last position;
 * `missed` that the log itself has to be looked at: it has become another one, or LISTEN has just come into force, and
 * what was notified before was heard by nobody.
 */
export function createListener(options: {
  url: string;
  channel: string;
  heard(last: number): void;
  missed(): void;
  logger: Logger;
}): Service & { readonly listening: boolean } {
  const { channel, heard, missed, logger } = options;
  let listening = false;
  let away = false;
  let stopped = false;
  const subscriber = pgListen.default(
    { ...sessionConfig({ url: options.url, name: 'listener' }), query_timeout: 5_000 },
    { retryTimeout: 0, retryInterval: 250, paranoidChecking: CHECK_EVERY, parse: text => text },
  );
  subscriber.events.on('reconnect', () => {
    listening = false;
    if (!away && !stopped) logger.warn('the listener lost its connection, and opens another');
    away = true;
  });
  subscriber.events.on('error', error => logger.warn({ err: error }, 'the listener was told something odd'));
  subscriber.events.on('connected', () => {
    if (stopped) return void end(); // close() does not stop a reconnect that is under way
    if (away) ready(); // at the first connect LISTEN comes later: see start()
  });
  // Anybody who may connect can NOTIFY: what makes no sense is no hint.
  subscriber.notifications.on(channel, (payload: unknown) => {
    const hint = Hint.safeParse(parseJson(payload));
    if (!hint.success) return;
    if ('last' in hint.data) heard(hint.data.last);
    else missed();
  });

  async function end(): Promise<void> {
    await subscriber.close().catch(() => {}); // it is over either way
  }

  function ready(): void {
    if (away) logger.info('the listener listens again');
    away = false;
    listening = true;
    missed();
  }

  return {
    name: 'listener',
    get listening() {
      return listening;
    },
    async start() {
      try {
        await subscriber.connect();
        await subscriber.listenTo(channel);
        ready();
      } catch {
        // The subscriber goes on trying, with the channel once it is named, and 'connected' tells.
        subscriber.listenTo(channel)?.catch(() => {});
      }
    },
    async stop() {
      stopped = true;
      listening = false;
      await Promise.race([end(), new Promise(resolve => setTimeout(resolve, STOP_WITHIN).unref())]);
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
