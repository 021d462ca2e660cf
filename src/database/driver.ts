// Slonik's driver for PostgreSQL, with two habits corrected: what a connection is told once, and what becomes of those
// who wait for one that cannot be made.
import { EventEmitter } from 'node:events';
import { createPgDriverFactory } from '@slonik/pg-driver';
import { ConnectionError, type DriverFactory } from 'slonik';

type Driver = Awaited<ReturnType<DriverFactory>>;
type Client = Awaited<ReturnType<Driver['createClient']>>;

/**
 * `onConnect` statements are run once on every new connection. Slonik's own interceptors run at every checkout, each
 * under a new connectionId.
 */
export function createDriverFactory({ onConnect }: { onConnect: readonly string[] }): DriverFactory {
  return async options => {
    const driver = await createPgDriverFactory()(options);
    return { createClient: () => prepare(driver, onConnect).catch(createBrokenClient) };
  };
}

async function prepare(driver: Driver, statements: readonly string[]): Promise<Client> {
  const client = await driver.createClient();
  client.acquire();
  try {
    for (const statement of statements) await client.query(statement);
    await client.release();
    return client;
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
