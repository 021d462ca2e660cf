// The process: settings, the embedded database where none is given, one instance, and the signals that end it.
import { type Config, readConfig } from './config.ts';
import { createEmbeddedPostgres } from './embedded/embedded.ts';
import { checkListening } from './instance/listening.ts';
import { ADAPTERS } from './jobs/generator/adapters.ts';
import type { Service } from './lifecycle.ts';
import { createLogger, type Logger } from './logger.ts';

const LONGEST_STOP = 9_500; // ms, besides STOP_DELAY and STOP_SPREAD
const SAME_WISH = 1_000; // ms

const services: Service[] = [];
let stopping: Promise<void> | undefined;
let level = 'info';
let stopDelay = 0;

try {
  const config = readConfig(Object.values(ADAPTERS));
  level = config.logLevel;
  stopDelay = config.stopDelay + config.stopSpread;
  const logger = createLogger({ level: config.logLevel, pretty: config.pretty });
  stopOnSignals(logger);
  await start(config, logger);
} catch (error) {
  // While stopping, a start that was cut short is no fault.
  if (!stopping) {
    process.stderr.write(`${explain(error)}\n`);
    await stop().catch(() => {});
    process.exit(1);
  }
}

// In words, for an operator; a developer who looks for a fault of ours sets LOG_LEVEL=debug and gets the stack.
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const wanted = ['debug', 'trace'].includes(level);
  return wanted || error.message === '' ? (error.stack ?? error.name) : error.message;
}

async function start(config: Config, logger: Logger): Promise<void> {
  await checkListening(config);
  // Side by side: PostgreSQL starts in processes of its own, and most of the code to load stands behind service.ts.
  const [{ createInstance }, addresses] = await Promise.all([
    import('./instance/instance.ts'),
    obtainDatabase(config, logger),
  ]);
  const instance = createInstance({ config, ...addresses, logger });
  services.push(instance);
  await instance.start();
  logger.info(`the API is at ${instance.address}`);
  logger.info(`the page is at ${instance.address}/`);
  logger.info(`the docs are at ${instance.address}/docs`);
  if (config.databaseUrl === undefined)
    logger.info(`the database is at: psql ${shownAddress(addresses.databaseUrl, config)}`);
}

// A person's terminal is shown the password; lines that are kept elsewhere never have it.
function shownAddress(databaseUrl: string, { pretty, dataDir }: Config): string {
  if (pretty) return databaseUrl;
  const address = new URL(databaseUrl);
  address.password = '';
  return `${address.href} (its password is in ${dataDir})`;
}

async function obtainDatabase(config: Config, logger: Logger) {
  const { databaseUrl, directUrl } = config;
  if (databaseUrl !== undefined) return { databaseUrl, directUrl: directUrl ?? databaseUrl };
  const postgres = createEmbeddedPostgres({ dataDir: config.dataDir, port: config.databasePort, logger });
  services.push(postgres);
  await postgres.start();
  return { databaseUrl: postgres.url, directUrl: postgres.url };
}

async function stop(): Promise<void> {
  for (let service = services.pop(); service; service = services.pop()) await service.stop();
}

// A second signal, or ten seconds, and the process ends as it is: the next start can cope with that. One Ctrl-C arrives
// twice, from the terminal and from npm, which passes it on.
function stopOnSignals(logger: Logger): void {
  let asked = 0;
  const end = (signal: NodeJS.Signals) => {
    if (stopping) {
      if (performance.now() - asked > SAME_WISH) process.exit(1);
      return;
    }
    asked = performance.now();
    logger.info({ signal }, 'stopping');
    setTimeout(() => {
      logger.error('stopping takes too long; ending without');
      process.exit(1);
    }, LONGEST_STOP + stopDelay).unref();
    stopping = stop();
    stopping.then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'could not stop cleanly');
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
}
