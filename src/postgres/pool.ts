// The connections that requests and jobs share, and what is promised of every query on them.
import {
  type CommonQueryMethods,
  createPool,
  type DatabasePool,
  type Interceptor,
  SchemaValidationError,
  sql,
} from 'slonik';
import { z } from 'zod';
import type { Availability } from './availability.ts';
import { createDriverFactory } from './driver.ts';
import { withQueue } from './pool_queue.ts';
import { takeRole } from './session.ts';

export type { DatabasePool };
/** The pool, or a transaction on one of its connections. */
export type Connection = CommonQueryMethods;

interface PoolOptions {
  url: string;
  service: string;
  size: number;
  role: boolean;
  /** The address leads through a transaction pooler, see scoped_query.ts. */
  throughPooler?: boolean;
  /** The address is a standby's, or may be. */
  maybeStandby?: boolean;
  statementTimeout?: number;
  /** How many milliseconds to wait for a connection while all are in use. */
  patience?: number;
  availability?: Availability;
}

// The driver has its own: Slonik would refuse some of what an address may say.
const ADDRESS = 'postgresql://';
const CONNECT_WITHIN = 5_000; // ms
const STATEMENT_TIMEOUT = 30_000; // ms
const PATIENCE = 5_000; // ms
const LOCK_TIMEOUT = '5s'; // for a row that another transaction holds: so long a connection is kept from others by it
const WRITES: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE']);
const ON_THE_WAY = 3_000; // ms that the server's answer may take to get here

/**
 * Opens the pool: `size` connections, each working as the service's role where it may be taken (`role: true`).
 * Rows are checked against the schema a query is written with. An int8 is a number and must be a safe one. A statement
 * may take `statementTimeout` milliseconds (30 s), and a little later a caller that waits for a connection that has silently
 * died is told. Who waits for longer than `patience` (5 s) while all connections are in use is told that, too. The
 * database need not be there yet. `availability` is told of every answer.
 */
export async function openPool(options: PoolOptions): Promise<DatabasePool> {
  const { statementTimeout = STATEMENT_TIMEOUT, service, throughPooler = false } = options;
  const pool = await createPool(ADDRESS, {
    driverFactory: createDriverFactory({
      session: {
        url: options.url,
        name: 'pool',
        service,
        config: { connectionTimeoutMillis: CONNECT_WITHIN },
        settings: {
          statement_timeout: String(statementTimeout),
          lock_timeout: LOCK_TIMEOUT,
          idle_in_transaction_session_timeout: '30s',
        },
      },
      throughPooler,
      maybeStandby: options.maybeStandby ?? false,
      onConnect: options.role ? [takeRole(service)] : [],
      answerWithin: statementTimeout + ON_THE_WAY,
    }),
    maxPoolSize: options.size,
    idleTimeout: 60_000,
    interceptors: [checkRows, ...(options.availability ? [tell(options.availability)] : [])],
  });
  const detail = 'all connections to the database are in use';
  return withQueue(pool, { size: options.size, patience: options.patience ?? PATIENCE, detail });
}

/** A row that holds one document rendered by the database. */
export const document = z.strictObject({ document: z.string() });

const One = z.strictObject({ one: z.number() });

/** No row at all. */
export const noRow = z.strictObject({});

/**
 * A lane of a pool: `share` of its connections (a third), for what may take long, so that the rest stay free for what does not.
 * Callers who find the lane full wait for as long as they would for the pool, and are told of what there was too much.
 */
export function laneOf(
  pool: DatabasePool,
  { poolSize, of, share = 1 / 3 }: { poolSize: number; of: string; share?: number },
): DatabasePool {
  const size = Math.max(1, Math.floor(poolSize * share));
  const detail = `others are asking for as many ${of} as may be under way at a time`;
  return withQueue(pool, { size, patience: PATIENCE, detail });
}

/** Reads in a transaction whose statements may take three seconds each, instead of what the pool gives them. */
export async function readBriefly<Result>(
  pool: Connection,
  read: (transaction: Connection) => Promise<Result>,
): Promise<Result> {
  return pool.transaction(async transaction => {
    await transaction.query(sql.unsafe`SELECT set_config('statement_timeout', '3s', true)`);
    return read(transaction);
  });
}

/** Whether the pool reaches the database now. */
export async function ping(pool: DatabasePool): Promise<void> {
  await pool.query(sql.type(One)`SELECT 1 AS one`);
}

const checkRows: Interceptor = {
  name: 'check rows',
  transformRow: (context, query, row) => {
    if (!context.resultParser) return row;
    const result = context.resultParser['~standard'].validate(row);
    if (result instanceof Promise) throw new TypeError('a row schema must be synchronous');
    if (result.issues) throw new SchemaValidationError(query, row, result.issues);
    return result.value as typeof row;
  },
};

function tell(availability: Availability): Interceptor {
  return {
    name: 'availability',
    afterQueryExecution: (_context, _query, { command }) => {
      availability.here();
      if (WRITES.has(command)) availability.tookWrite();
      return null;
    },
  };
}
