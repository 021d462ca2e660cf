// What the commands beside `npm start` share: settings, a database, and how they end.
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { type Config, readConfig } from '../config.ts';
import { clusterPaths } from '../embedded/cluster.ts';
import { createEmbeddedPostgres } from '../embedded/embedded.ts';
import { ServiceError } from '../errors.ts';
import { ADAPTERS } from '../jobs/generator/adapters.ts';
import { createLogger, type Logger } from '../logger.ts';

/** What a command works with: a session-level address of the database. */
export interface CommandContext {
  config: Config;
  url: string;
  logger: Logger;
}

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** How a command differs from the others. */
interface CommandKind {
  /** There may be no database yet. */
  makesDatabase?: boolean;
  /** Ctrl-C is how it is meant to end: exit code 0. */
  isEndless?: boolean;
}

/**
 * Runs a command on the configured database; on the embedded one it joins the running server, or starts it for as
 * long as it takes. Only with `makesDatabase` may there be none yet: a caller that wants something of one has mistaken the
 * folder. `work` answers the exit code; an error is written to stderr in words and exits 1. Ctrl-C and SIGTERM end it at
 * once, but not before a server that it alone uses.
 */
export async function runCommand(
  work: (context: CommandContext) => Promise<number>,
  kind: CommandKind = {},
): Promise<void> {
  try {
    process.exitCode = await onDatabase(work, kind);
  } catch (error) {
    if (error instanceof Interruption) process.exit(kind.isEndless ? 0 : error.exitCode);
    process.stderr.write(`${error instanceof ServiceError ? error.message : explain(error)}\n`);
    process.exitCode = 1;
  }
}

async function onDatabase(
  work: (context: CommandContext) => Promise<number>,
  { makesDatabase = false }: CommandKind,
): Promise<number> {
  const config = readConfig(Object.values(ADAPTERS));
  const level = config.logLevel === 'info' ? 'warn' : config.logLevel;
  const logger = createLogger({ level, pretty: config.pretty });
  const interruption = onInterruption();
  const perform = (url: string) => Promise.race([work({ config, url, logger }), interruption]);
  if (config.directUrl !== undefined) return perform(config.directUrl);
  const { cluster } = clusterPaths(config.dataDir);
  if (!makesDatabase && !existsSync(cluster)) {
    throw new ServiceError(
      'unfit_settings',
      `there is no database in ${config.dataDir}: npm start makes one. If it is elsewhere, set DATA_DIR or DATABASE_URL`,
    );
  }
  const postgres = createEmbeddedPostgres({ dataDir: config.dataDir, port: config.databasePort, logger });
  try {
    await Promise.race([postgres.start(), interruption]);
    return await perform(postgres.url);
  } finally {
    await postgres.stop();
  }
}

class Interruption extends Error {
  readonly exitCode: number;

  constructor(signal: (typeof SIGNALS)[number]) {
    super(signal);
    this.exitCode = 128 + constants.signals[signal]; // as a shell tells it
  }
}

// Every time, since one Ctrl-C arrives twice, from the terminal and from npm: the second would end us as we stop.
function onInterruption(): Promise<never> {
  return new Promise((_, reject) => {
    for (const signal of SIGNALS) process.on(signal, () => reject(new Interruption(signal)));
  });
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
