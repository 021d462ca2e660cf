// A primary with a schema, and a hot standby of it.
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createEmbeddedPostgres } from '../../src/embedded/embedded.ts';
import { createLogger } from '../../src/logger.ts';
import { startInstance } from './instance.ts';

const logger = createLogger({ level: 'fatal', pretty: false });

/** A primary, and a standby that follows it: there is no pg_basebackup, so a copy of the stopped cluster begins it. */
export async function startPair(folder: string) {
  const [first, second] = [join(folder, 'first'), join(folder, 'second')];
  const settings = { fsync: 'off' };
  const primary = createEmbeddedPostgres({ dataDir: first, settings, logger });
  await primary.start();
  const instance = await startInstance(primary.url); // migrates
  await instance.stop();
  await primary.stop();
  await cp(first, second, { recursive: true });
  await rm(join(second, 'port'));
  await writeFile(join(second, 'postgres', 'standby.signal'), '');
  await primary.start();
  const standby = createEmbeddedPostgres({
    dataDir: second,
    settings: { ...settings, primary_conninfo: primary.url },
    logger,
  });
  await standby.start();
  return { primary, standby };
}
