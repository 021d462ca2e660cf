// Whether the service can work with a server, a database and the role it logs in as, found out before anything is
// changed. A refusal says what to do about it.
import pg from 'pg';
import { z } from 'zod';
import { ServiceError } from '../errors.ts';
import { appRole, schemasOf } from './names.ts';
import { EXISTS, SQLSTATE } from './sqlstate.ts';

const OLDEST_SERVER = 160000;
// The first release of each major version that keeps what an unread NOTIFY still needs.
const KEEPS_NOTIFICATIONS = [160012, 170008, 180002];
const ANOTHER_NAME =
  'Set SERVICE_NAME to a name of your choice, and the service keeps to schemas of that name';

const Fitness = z.object({
  version: z.number(),
  shown: z.string(),
  encoding: z.string(),
  database: z.string(),
  role: z.string(),
  word: z.boolean(),
  may_create: z.boolean(),
  is_member: z.boolean(),
});
type Fitness = z.infer<typeof Fitness>;

const FoundSchema = z.object({
  name: z.string(),
  ident: z.string(),
  owner: z.string().nullable(),
  may_create: z.boolean().nullable(),
  foreign_owner: z.string().nullable(),
  used_by_others: z.boolean(),
});
type FoundSchema = z.infer<typeof FoundSchema>;

/**
 * Refuses, with a ServiceError, a server, database or role that the service cannot work with. Answers a warning where
 * the server has a known fault, else undefined.
 */
export async function refuseUnfit(client: pg.Client, service: string): Promise<string | undefined> {
  const found = await describe(client, service);
  refuseServer(found);
  const faults = (await describeSchemas(client, service)).flatMap(schema => [...faultsOf(schema, found)]);
  if (faults.length > 0) {
    const list = faults.map(fault => `  - ${fault}`).join('\n');
    throw new ServiceError('unfit_database', `the service cannot work in this database:\n${list}`);
  }
  return warnOfServer(found);
}

/** The same of the server alone, for a session that will change nothing. */
export async function refuseUnfitServer(client: pg.Client, service: string): Promise<string | undefined> {
  const found = await describe(client, service);
  refuseServer(found);
  return warnOfServer(found);
}

/** A login that works for the service and does not own it. */
export interface Member {
  role: string;
  /** The role that owns the service's tables, and migrates them. */
  owner: string;
  /** Whether it has the rights of the service's role without taking that role first. */
  inherits: boolean;
}

const Member = z.object({ role: z.string(), owner: z.string(), inherits: z.boolean() });

/**
 * What a session's role is, if it is a member of the service's role and may not act as the owner of the log; undefined for any
 * other, and where there is no log yet. Catalogues alone are read: a role without a right on the schema may not even name it.
 */
export async function findMember(client: pg.Client, service: string): Promise<Member | undefined> {
  const { rows } = await client.query(
    `SELECT quote_ident(current_user) AS role, quote_ident(pg_get_userbyid(log.relowner)) AS owner,
       pg_has_role(app.oid, 'USAGE') AS inherits
     FROM pg_class AS log
     JOIN pg_namespace AS n ON n.oid = log.relnamespace
     JOIN pg_roles AS app ON app.rolname = $2
     WHERE n.nspname = $1 AND log.relname = 'log'
       AND pg_has_role(app.oid, 'MEMBER') AND NOT pg_has_role(log.relowner, 'USAGE')`,
    [schemasOf(service).feed, appRole(service)],
  );
  return z.array(Member).parse(rows)[0];
}

/** What is wrong with a server's minor release; undefined if nothing is known. */
export function warnOfServer({ version, shown }: { version: number; shown: string }): string | undefined {
  const fixed = KEEPS_NOTIFICATIONS.find(
    release => Math.trunc(release / 10_000) === Math.trunc(version / 10_000),
  );
  if (fixed === undefined || version >= fixed) return undefined;
  const wanted = `${Math.trunc(fixed / 10_000)}.${fixed % 10_000}`;
  return (
    `PostgreSQL ${shown} can truncate transaction status that unread NOTIFY messages still need, and LISTEN fails then ` +
    `with “could not access status of transaction”: update it to ${wanted} or later`
  );
}

/** Whether PostgreSQL refused a statement because the role lacks a right. */
export function isRefusal(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === SQLSTATE.insufficientPrivilege;
}

/** An error of a start as it is for an operator, where it is about rights or about things of another owner's. */
export function explainRefusal(error: unknown, service: string): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const said = [error.message, error.detail].filter(Boolean).join('; ');
  const refusal = (text: string) => new ServiceError('unfit_database', text, { cause: error });
  if (error.code === SQLSTATE.insufficientPrivilege) {
    const app = appRole(service);
    return refusal(
      `a role lacks a right: ${said}. DATABASE_URL has to log in as the owner of what the service has in the database, or as ` +
        `a member of ${app} after the owner's npm run migrate; beside a DATABASE_DIRECT_URL, which has to then, it needs no more than GRANT ${app} TO its role; the owner needs ` +
        `that grant too, or the right to make it, before the service is started: it gives ${app} its rights`,
    );
  }
  if (EXISTS.has(error.code ?? '')) {
    return refusal(`the database holds something of the same name: ${said}. ${ANOTHER_NAME}`);
  }
  return error;
}

async function describe(client: pg.Client, service: string): Promise<Fitness & { service: string }> {
  const { rows } = await client.query(
    `SELECT current_setting('server_version_num')::integer AS version, current_setting('server_version') AS shown,
       current_setting('server_encoding') AS encoding, quote_ident(current_database()) AS database,
       quote_ident(current_user) AS role, quote_ident($1) <> $1 AS word,
       has_database_privilege(current_database(), 'CREATE') AS may_create,
       EXISTS (SELECT FROM pg_roles AS app WHERE app.rolname = $2 AND pg_has_role(app.oid, 'MEMBER')) AS is_member`,
    [service, appRole(service)],
  );
  return { ...Fitness.parse(rows[0]), service };
}

// Of the resources' schema only the right to create counts: it may be shared, and what of it is ours has the owner of feed.
async function describeSchemas(client: pg.Client, service: string): Promise<FoundSchema[]> {
  const { resources, feed, jobs } = schemasOf(service);
  const { rows } = await client.query(
    `SELECT wanted.name, quote_ident(wanted.name) AS ident, quote_ident(owner.rolname) AS owner,
       has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE') AS may_create,
       (SELECT quote_ident(min(pg_get_userbyid(c.relowner)::text)) FROM pg_class AS c
        WHERE c.relnamespace = n.oid AND wanted.name <> $1 AND NOT pg_has_role(c.relowner, 'USAGE')) AS foreign_owner,
       wanted.name = $2
         AND EXISTS (SELECT FROM pg_class AS c WHERE c.relnamespace = n.oid)
         AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.relnamespace = n.oid AND c.relname = 'migrations')
         AS used_by_others
     FROM unnest(ARRAY[$1, $2, $3]) WITH ORDINALITY AS wanted (name, place)
     LEFT JOIN pg_namespace AS n ON n.nspname = wanted.name
     LEFT JOIN pg_roles AS owner ON owner.oid = n.nspowner
     ORDER BY wanted.place`,
    [resources, feed, jobs],
  );
  return z.array(FoundSchema).parse(rows);
}

function refuseServer({ version, shown, encoding, word, service }: Fitness & { service: string }): void {
  if (word) {
    throw new ServiceError('unfit_settings', `SERVICE_NAME ${service} is a word of SQL: choose another name`);
  }
  if (version < OLDEST_SERVER) {
    throw new ServiceError('unfit_database', `PostgreSQL ${shown} is too old: 16 or later is needed`);
  }
  if (encoding !== 'UTF8') {
    throw new ServiceError(
      'unfit_database',
      `the database is encoded in ${encoding}: create one with ENCODING 'UTF8' TEMPLATE template0`,
    );
  }
}

function* faultsOf(
  schema: FoundSchema,
  { role, database, may_create, is_member }: Fitness,
): Generator<string> {
  const { name, ident, owner, foreign_owner: foreign } = schema;
  if (schema.used_by_others) yield `the schema ${name} is in use by something else. ${ANOTHER_NAME}`;
  if (owner === null && !may_create) {
    yield `there is no schema ${name}, and ${role} may not create it: GRANT CREATE ON DATABASE ${database} TO ${role}${is_member ? ', or let the owner run npm run migrate first' : ''}`;
  }
  if (foreign !== null) {
    yield `the tables in the schema ${name} belong to ${foreign}: log in as ${foreign}, or GRANT ${foreign} TO ${role}`;
  } else if (schema.may_create === false) {
    yield `${role} may not create anything in the schema ${name}: GRANT USAGE, CREATE ON SCHEMA ${ident} TO ${role}`;
  }
}
