// The queue before the pool: as many callers at a time as it has connections, and a limit on how long the others wait. A second
// one on the same pool is a lane: what may take only some of the connections.
// Slonik's own queue has none, and a caller cannot leave it: what has been given up would still be done later.
import type { DatabasePool } from 'slonik';
import { ServiceError } from '../errors.ts';

const TAKE_A_CONNECTION: ReadonlySet<string | symbol> = new Set<keyof DatabasePool>([
  'any',
  'anyFirst',
  'connect',
  'exists',
  'many',
  'manyFirst',
  'maybeOne',
  'maybeOneFirst',
  'one',
  'oneFirst',
  'query',
  'record',
  'stream',
  'transaction',
]);

/**
 * The same pool, whose callers get a connection in the order in which they came, or after `patience` milliseconds a
 * ServiceError `busy`: then nothing was asked of the database.
 */
export function withQueue(
  pool: DatabasePool,
  { size, patience, detail }: { size: number; patience: number; detail: string },
): DatabasePool {
  const waiting = new Set<() => void>();
  let used = 0;

  async function takeTurn(): Promise<void> {
    if (used < size) {
      used++;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    waiting.add(resolve);
    const giveUp = setTimeout(() => {
      waiting.delete(resolve);
      reject(busy(detail));
    }, patience);
    await promise.finally(() => clearTimeout(giveUp));
  }

  function passTurn(): void {
    const [next] = waiting;
    if (!next) {
      used--;
      return;
    }
    waiting.delete(next);
    next();
  }

  async function inTurn(work: () => unknown): Promise<unknown> {
    await takeTurn();
    try {
      return await work();
    } finally {
      passTurn();
    }
  }

  const state = () => ({ ...pool.state(), waitingClients: waiting.size });
  return new Proxy(pool, {
    get(target, name) {
      if (name === 'state') return state;
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function' || !TAKE_A_CONNECTION.has(name)) return value;
      return (...args: unknown[]) => inTurn(() => Reflect.apply(value, target, args));
    },
  });
}

function busy(detail: string): ServiceError {
  return new ServiceError('busy', `${detail}; try again`, {
    headers: { 'Retry-After': '1' },
  });
}
