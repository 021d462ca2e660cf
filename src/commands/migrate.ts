// `npm run migrate`: migrations and sql/ alone, for deployments that separate them from serving. It says what it is about to
// do, since building an index can take its time, and what it has done.
import { type Migrated, migrate } from '../postgres/migrate.ts';
import { runCommand } from './command.ts';

const print = (line: string) => process.stdout.write(`${line}\n`);

await runCommand(
  async ({ config, url, logger }) => {
    const done = await migrate({
      url,
      service: config.service,
      partition: config.partition,
      logger,
      begins: tellBeginning,
    });
    for (const line of describe(done)) print(line);
    return 0;
  },
  { makesDatabase: true },
);

function tellBeginning(migrations: readonly string[]): void {
  print(`applying ${count(migrations.length, 'migration')}: ${migrations.join(', ')}`);
}

function describe({ migrations, sql, warnings }: Migrated): string[] {
  const done = [
    ...(migrations.length > 0 ? [`applied ${count(migrations.length, 'migration')}`] : []),
    ...(sql ? [`applied sql/, version ${sql.version}: ${sql.reason}`] : []),
  ];
  return [
    ...(done.length > 0 ? done : ['the database is up to date: nothing was changed']),
    ...warnings.map(warning => `warning: ${warning}`),
  ];
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
