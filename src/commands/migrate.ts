// `npm run migrate`: migrations and sql/ alone, for deployments that separate them from serving.
import { migrate } from '../postgres/migrate.ts';
import { runCommand } from './command.ts';

await runCommand(
  async ({ config, url, logger }) => {
    await migrate({ url, service: config.service, logger });
    process.stdout.write('the database is up to date\n');
    return 0;
  },
  { makesDatabase: true },
);
