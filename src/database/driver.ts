// Slonik's driver for PostgreSQL, with three habits corrected: what a connection is told once, how long it may keep
// somebody waiting, and what becomes of those who wait for one that cannot be made.
import { EventEmitter } from 'node:events';
import { createPgDriverFactory } from '@slonik/pg-driver';
import { ConnectionError, type DriverFactory } from 'slonik';
import { z } from 'zod';
import { IS_STANDBY } from './session.ts';

type Driver = Awaited<ReturnType<DriverFactory>>;
type Client = Awaited<ReturnType<Driver['createClient']>>;

const IsStandby = z.tuple([z.object({ standby: z.boolean() })]);

/**
 * `onConnect` statements are run once on every new connection. Slonik's own interceptors run at every checkout, each
 * under a new connectionId. A standby is refused: who reads there and listens elsewhere takes what is new for made up.
 *
 * A query that is not answered within `answerWithin` milliseconds fails as if the connection had been lost. The
 * server's timeout cannot be relied on: its word may not come through either.
 */
export function createDriverFactory(options: {
  onConnect: readonly string[];
  answerWithin: number;
}): DriverFactory {
  return async configuration => {
    const driver = await createPgDriverFactory()(configuration);
    const clients = new Set<Client>();
    // What has rested meanwhile is as dead, most likely: better a new connection than so long a wait on each.
    const distrust = () => {
      for (const client of clients) if (client.state() === 'IDLE') client.destroy().catch(() => {});
    };
    const connect = async () => {
      const client = bound(await driver.createClient(), options.answerWithin, distrust);
      clients.add(client);
      client.on('destroy', () => clients.delete(client));
      await prepare(client, options.onConnect);
      return client;
    };
    return { createClient: () => connect().catch(createBrokenClient) };
  };
}

function bound(client: Client, answerWithin: number, distrust: () => void): Client {
  const query: Client['query'] = async (...asked) => {
    const silence = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      silence.reject(new ConnectionError('the connection does not answer'));
      client.destroy().catch(() => {}); // it is over either way
      distrust();
    }, answerWithin);
    try {
      return await Promise.race([client.query(...asked), silence.promise]);
    } finally {
      clearTimeout(timer);
    }
  };
  return { ...client, query };
}

async function prepare(client: Client, statements: readonly string[]): Promise<void> {
  client.acquire();
  try {
    const [{ standby }] = IsStandby.parse((await client.query(IS_STANDBY)).rows);
    if (standby) throw new ConnectionError('the database is a standby, which takes no writes');
    for (const statement of statements) await client.query(statement);
    await client.release();
  } catch (error) {
    await client.destroy().catch(() => {});
    throw error;
  }
}

/**
 * Stands for a connection that could not be made. Slonik forgets those who wait in its queue when one that was made
 * for somebody else fails; one that is made, fails its query and is destroyed lets the next in line try.
 */
function createBrokenClient(cause: unknown): Client {
  const events = new EventEmitter();
  const message = cause instanceof Error ? cause.message : String(cause);
  const refuse = () => {
    throw new ConnectionError(message, cause instanceof Error ? { cause } : {});
  };
  const id = `broken-${Math.random()}`;
  let state: ReturnType<Client['state']> = 'IDLE';
  const destroy = async () => {
    if (state === 'DESTROYED') return;
    state = 'DESTROYED';
    events.emit('destroy');
  };
  return {
    acquire: () => {
      state = 'ACQUIRED';
    },
    destroy,
    release: destroy,
    id: () => id,
    state: () => state,
    query: async () => refuse(),
    stream: refuse,
    on: events.on.bind(events) as Client['on'],
    off: events.off.bind(events) as Client['off'],
    removeListener: events.off.bind(events) as Client['removeListener'],
  };
}
