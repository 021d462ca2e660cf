// A whole instance in this process, on a database of its own, for one test file.
import type { TestFn } from 'ava';
import { parse } from '../../src/config.ts';
import { createInstance, type Instance } from '../../src/instance/instance.ts';
import { ADAPTERS } from '../../src/jobs/generator/adapters.ts';
import { createLogger, type Logger } from '../../src/logger.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { learnFrames } from './frames.ts';

/** Starts an instance on a database; the environment is what `npm start` would have been given. */
export async function startInstance(
  url: string,
  environment: Record<string, string> = {},
): Promise<Instance> {
  const instance = createTestInstance(url, environment);
  await instance.start().catch(async (error: unknown) => {
    await instance.stop(); // it listens already, and a test that fails must end
    throw error;
  });
  await learnFrames(instance.address);
  return instance;
}

/** The same before it starts; what it logs goes to `logger`. */
export function createTestInstance(
  url: string,
  environment: Record<string, string> = {},
  logger?: Logger,
  directUrl = url,
): Instance {
  const settings = {
    PORT: '0',
    DATABASE_URL: url,
    GENERATOR_CRON: 'off',
    RATES_CRON: 'off',
    RATES_URL: 'http://127.0.0.1:9/', // no test asks the bank itself
    LOG_LEVEL: 'fatal',
    ...environment,
  };
  const config = parse(settings, Object.values(ADAPTERS));
  const level = process.env.TEST_LOG_LEVEL ?? config.logLevel;
  return createInstance({
    config,
    databaseUrl: url,
    directUrl,
    logger: logger ?? createLogger({ level, pretty: false }),
  });
}

export interface Context {
  database: TestDatabase;
  instance: Instance;
}

/** Gives every test of a file the same database and instance, and takes them away after the last. */
export function withInstance(test: TestFn<Context>, environment: Record<string, string> = {}): void {
  let shared: Context | undefined;
  test.before(async () => {
    const database = await createTestDatabase();
    shared = { database, instance: await startInstance(database.url, environment) };
  });
  test.beforeEach(t => {
    if (shared) t.context = shared;
  });
  test.after.always(async () => {
    await shared?.instance.stop();
    await shared?.database.drop();
  });
}
