// A database of one's own: a clone of the migrated template, on the server that `npm test` started.
import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { type DatabasePool, openPool } from '../../src/postgres/pool.ts';
import { openSession } from '../../src/postgres/session.ts';

/** The service that the tests are of, unless they are about another one. */
export const SERVICE = 'taskwire';

export interface TestDatabase {
  readonly url: string;
  /** As the service has it: the application's role. */
  readonly pool: DatabasePool;
  /** One more session as the owner, like a person's psql. Ended by drop(). */
  psql(): Promise<pg.Client>;
  drop(): Promise<void>;
}

export async function createTestDatabase(): Promise<TestDatabase> {
  const server = process.env.TEST_SERVER_URL;
  const template = process.env.TEST_TEMPLATE;
  if (server === undefined || template === undefined) throw new Error('run the tests with `npm test`');
  const name = `taskwire_test_${randomUUID().replaceAll('-', '')}`;
  await onServer(server, `CREATE DATABASE ${name} TEMPLATE ${template}`);
  const url = databaseUrl(server, name);
  await makeAtHome(url);
  const pool = await openPool({ service: SERVICE, url, size: 10, role: true });
  const sessions: pg.Client[] = [];
  return {
    url,
    pool,
    psql: async () => {
      const session = await openSession({ service: SERVICE, url, name: 'test' });
      sessions.push(session);
      return session;
    },
    drop: async () => {
      await pool.end();
      await Promise.all(sessions.map(session => session.end().catch(() => {})));
      await onServer(server, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

/** The address of another database on the same server. */
export function databaseUrl(server: string, name: string): string {
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

// A clone is another database than the one its log is of, and would begin a new log at the first start.
async function makeAtHome(url: string): Promise<void> {
  const session = await openSession({ service: SERVICE, url, name: 'tests' });
  await session.query('UPDATE feed.log SET database = here.database FROM feed.cluster() AS here');
  await session.end();
}

// Cloning fails while anybody is connected to the template, and only one at a time may clone it: wait in line.
async function onServer(server: string, statement: string): Promise<void> {
  const session = await openSession({
    service: SERVICE,
    url: databaseUrl(server, 'postgres'),
    name: 'tests',
  });
  try {
    await session.query(`SELECT pg_advisory_lock(hashtextextended('taskwire:tests', 0))`);
    await session.query(statement);
  } finally {
    await session.end();
  }
}
