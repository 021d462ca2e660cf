// What the commands beside `npm start` share: settings, a database, and how they end.
import { existsSync } from 'node:fs';
import { type Config, readConfig } from '../config.ts';
import { clusterPaths } from '../database/embedded/cluster.ts';
import { createEmbeddedPostgres } from '../database/embedded.ts';
import { ServiceError } from '../errors.ts';
import { ADAPTERS } from '../jobs/sources/adapters.ts';
import { createLogger, type Logger } from '../logger.ts';

/** What a command works with: a session-level address of the database. */
export interface CommandContext {
  config: Config;
  url: string;
  logger: Logger;
}

/**
 * Runs a command on the configured database; on the embedded one it joins the running server, or starts it for as
 * long as it takes. Only with `makesDatabase` may there be none yet: whoever asks something of one has mistaken the
 * folder. `work` answers the exit code; an error is written to stderr in words and exits 1.
 */
export async function runCommand(
  work: (context: CommandContext) => Promise<number>,
  { makesDatabase = false } = {},
): Promise<void> {
  try {
    process.exitCode = await onDatabase(work, makesDatabase);
  } catch (error) {
    process.stderr.write(`${error instanceof ServiceError ? error.message : explain(error)}\n`);
    process.exitCode = 1;
  }
}

async function onDatabase(
  work: (context: CommandContext) => Promise<number>,
  makesDatabase: boolean,
): Promise<number> {
  const config = readConfig(Object.values(ADAPTERS));
  const level = config.logLevel === 'info' ? 'warn' : config.logLevel;
  const logger = createLogger({ level, pretty: config.pretty });
  if (config.directUrl !== undefined) return work({ config, url: config.directUrl, logger });
  const { cluster } = clusterPaths(config.dataDir);
  if (!makesDatabase && !existsSync(cluster)) {
    throw new ServiceError(
      'unfit_settings',
      `there is no database in ${config.dataDir}: npm start makes one. If it is elsewhere, set DATA_DIR or DATABASE_URL`,
    );
  }
  const postgres = createEmbeddedPostgres({ dataDir: config.dataDir, port: config.databasePort, logger });
  try {
    await postgres.start();
    return await work({ config, url: postgres.url, logger });
  } finally {
    await postgres.stop();
  }
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const parts = error as Error & { detail?: string; hint?: string };
  return [
    `${error.name === 'error' ? 'ERROR' : error.name}: ${error.message || ('code' in error ? error.code : '')}`,
    ...(parts.detail ? [`DETAIL: ${parts.detail}`] : []),
    ...(parts.hint ? [`HINT: ${parts.hint}`] : []),
  ].join('\n');
}
