// The connections that requests and jobs share, and what is promised of every query on them.
import {
  createPool,
  type DatabasePool,
  type DriverTypeParser,
  type Interceptor,
  SchemaValidationError,
  sql,
} from 'slonik';
import { z } from 'zod';
import { createDriverFactory } from './driver.ts';
import { TAKE_ROLE } from './session.ts';

export type { DatabasePool };

/**
 * Opens the pool: `size` connections, each working as taskwire_app where that role may be taken (`role: true`).
 * Rows are checked against the schema a query is written with. An int8 is a number and must be a safe one; a
 * statement may take 30 s. Throws while the database is away.
 */
export async function openPool(options: { url: string; size: number; role: boolean }): Promise<DatabasePool> {
  const url = new URL(options.url);
  url.searchParams.set('application_name', 'taskwire pool');
  return createPool(url.href, {
    driverFactory: createDriverFactory({ onConnect: options.role ? [TAKE_ROLE] : [] }),
    maxPoolSize: options.size,
    idleTimeout: 60_000,
    connectionTimeout: 5_000,
    statementTimeout: 30_000,
    idleInTransactionSessionTimeout: 30_000,
    gracefulTerminationTimeout: 2_000,
    typeParsers: [int8],
    interceptors: [checkRows],
    // DISCARD ALL at every release costs a round trip and the prepared statements. Nothing is left behind that
    // would need it: settings are made with set_config(…, true), locks are taken by sessions of their own.
    resetConnection: async () => {},
  });
}

/** A row that holds one document rendered by the database. */
export const document = z.strictObject({ document: z.string() });

/** Whether the pool reaches the database now. */
export async function ping(pool: DatabasePool): Promise<void> {
  await pool.query(sql.type(z.strictObject({ one: z.number() }))`SELECT 1 AS one`);
}

const int8: DriverTypeParser = {
  name: 'int8',
  parse: text => {
    const value = Number(text);
    if (!Number.isSafeInteger(value)) throw new RangeError(`${text} is no safe integer`);
    return value;
  },
};

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
