// What an instance does about the schema before it works: an owner's login migrates it, a member's only looks whether it is there.
import type pg from 'pg';
import { ServiceError } from '../errors.ts';
import {
  migrateOn,
  onSession,
  prepareJobQueue,
  readDatabaseSchema,
  readProgramSchema,
  type Target,
  warn,
} from './migrate.ts';
import { appRole } from './names.ts';
import { findMember, isRefusal, type Member, refuseUnfitServer } from './preflight.ts';
import { compareSchemas } from './schema_version.ts';

/** Throws a ServiceError, which says what is missing, where the database is older than this program. Changes nothing. */
export async function requireSchema(options: Target): Promise<void> {
  await onSession(options, async client => {
    refuseOlder(await findOlder(client, options.service), {
      who: 'an edge migrates nothing',
      cure: 'Start an instance with ROLE=all first, or run npm run migrate',
    });
  });
}

/**
 * Migrates, where the login may. One that is a member of the service's role changes nothing: it works on what the owner has
 * migrated, and throws a ServiceError that says what is missing where that is older than this program. Tells whether the
 * login owns what the service has.
 */
export async function prepareSchema(options: Target): Promise<{ owns: boolean }> {
  return onSession(options, async client => {
    const member = await findMember(client, options.service);
    if (member === undefined) await migrateOn(client, options);
    else await checkSchema(client, member, options);
    return { owns: member === undefined };
  });
}

async function checkSchema(
  client: pg.Client,
  { role, owner, inherits }: Member,
  { url, service, logger }: Pick<Target, 'url' | 'service' | 'logger'>,
): Promise<void> {
  const app = appRole(service);
  if (!inherits)
    throw new ServiceError(
      'unfit_database',
      `${role} is a member of ${app} and does not inherit its rights: GRANT ${app} TO ${role} WITH INHERIT TRUE`,
    );
  const warning = await refuseUnfitServer(client, service);
  if (warning !== undefined) logger.warn(warning);
  const faults = [...(await findOlder(client, service)), ...(await faultsOfJobQueue(client, url, service))];
  refuseOlder(faults, {
    who: `${role} may not migrate it`,
    cure: `Run npm run migrate with a DATABASE_URL that logs in as ${owner}, and then start again`,
  });
  await warn(client, service, logger);
}

async function findOlder(client: pg.Client, service: string): Promise<readonly string[]> {
  return compareSchemas(await readProgramSchema(), await readDatabaseSchema(client, service)).behind;
}

function refuseOlder(faults: readonly string[], { who, cure }: { who: string; cure: string }): void {
  if (faults.length === 0) return;
  const list = faults.map(fault => `  - ${fault}`).join('\n');
  throw new ServiceError(
    'unfit_database',
    `the database is older than this program, and ${who}:\n${list}\n${cure}`,
  );
}

// Its migrations do nothing where nothing is missing; what is, a member may not make.
async function faultsOfJobQueue(client: pg.Client, url: string, service: string): Promise<string[]> {
  try {
    await prepareJobQueue(client, url, service);
    return [];
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return ['the job queue is not the one of this version'];
  }
}
