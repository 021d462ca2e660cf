// What the tests of NATS share: a database and a NATS of one's own, and instances on both.
import type { ExecutionContext } from 'ava';
import type pg from 'pg';
import type { Instance } from '../../src/instance/instance.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { startInstance } from './instance.ts';
import { createTestNats, type TestNats } from './nats.ts';
import { until } from './until.ts';

export interface Scene {
  database: TestDatabase;
  nats: TestNats;
  psql: pg.Client;
  /** An instance on both, stopped at the end. */
  start(environment?: Record<string, string>): Promise<Instance>;
  /** Makes so many tasks, an event each. */
  insert(count: number): Promise<void>;
}

/** Gives a test a database and a NATS of its own, and takes everything away again. */
export function withNats(body: (t: ExecutionContext, scene: Scene) => Promise<void>) {
  return async (t: ExecutionContext): Promise<void> => {
    const [database, nats] = await Promise.all([createTestDatabase(), createTestNats()]);
    const instances: Instance[] = [];
    const psql = await database.psql();
    try {
      await body(t, {
        database,
        nats,
        psql,
        start: async environment => {
          const url = environment?.DATABASE_URL ?? database.url;
          const instance = await startInstance(url, { NATS_URL: nats.url, ...environment });
          instances.push(instance);
          return instance;
        },
        insert: async count => {
          const tasks = `SELECT 'task ' || n FROM generate_series(1, $1::integer) AS n`;
          await psql.query(`INSERT INTO tasks (title) ${tasks}`, [count]);
        },
      });
    } finally {
      for (const instance of instances) await instance.stop();
      await nats.drop();
      await database.drop();
    }
  };
}

/** What an instance says of its readiness, once its warnings are as wanted. */
export async function untilWarnings(
  { address }: Instance,
  isIt: (warnings: string) => boolean,
): Promise<Ready> {
  return until(
    async () => (await (await fetch(`${address}/health/ready`)).json()) as Ready,
    body => isIt(body.warnings?.join() ?? ''),
  );
}

interface Ready {
  status: string;
  warnings?: string[];
}

/** One of an instance's metrics, by its name and labels. */
export async function readMetric({ address }: { address: string }, name: string): Promise<number> {
  const text = await (await fetch(`${address}/metrics`)).text();
  const line = text.split('\n').find(each => each.startsWith(`${name} `));
  return line === undefined ? Number.NaN : Number(line.slice(name.length + 1));
}
