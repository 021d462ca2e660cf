// `npm run retention`: lets go of what EVENT_RETENTION no longer keeps, once. For a timer, with the owner's login, where the
// instances log in as a member of the service's role: taking a partition off the log is its owner's right.
import { createArchive } from '../archive/archive.ts';
import { ServiceError } from '../errors.ts';
import { openPool } from '../postgres/pool.ts';
import { cleanStaged, readRange } from '../queries/log.ts';
import { letGoOnce } from '../retention/retention.ts';
import { type CommandContext, runCommand } from './command.ts';

const print = (line: string) => process.stdout.write(`${line}\n`);

await runCommand(letGo);

async function letGo({ config, url, logger }: CommandContext): Promise<number> {
  const { service, retention: seconds } = config;
  if (seconds === undefined)
    throw new ServiceError('unfit_settings', 'EVENT_RETENTION is forever: it says how long events are kept');
  const archive = config.archive === undefined ? undefined : createArchive(config.archive);
  const pool = await openPool({ url, service, size: 2, role: true });
  try {
    const floor = await letGoOnce(
      {
        url,
        service,
        seconds,
        archive,
        range: (log, after, through) => readRange(pool, log, after, through),
        clean: after => cleanStaged(pool, after),
        logger,
      },
      new AbortController().signal,
    );
    print(
      floor === undefined
        ? 'another session is letting events go: nothing was done'
        : `positions up to ${floor} are let go; their partitions go as they are full`,
    );
    return 0;
  } finally {
    await pool.end();
  }
}
