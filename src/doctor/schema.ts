// What the service has in the database: whether it is there, of this version, and as sql/ makes it.
import { z } from 'zod';
import { readProgramSchema } from '../postgres/migrate.ts';
import { appRole, readerRole, schemasOf } from '../postgres/names.ts';
import { compareSchemas } from '../postgres/schema_version.ts';
import { closeSession, openBareSession } from '../postgres/session.ts';
import { readClosedTables, readSchema } from '../queries/log.ts';
import { ask, askOne, type Patient } from './patient.ts';
import { fine, note, type Remark, wrong } from './remark.ts';

const OLDER = 'the-schema-is-older-than-the-program';
const MIGRATE = "npm run migrate, with the owner's login";

/** Whether there is a log of the service at all: without, nothing else can be looked at. */
export async function hasLog({ session, service }: Patient): Promise<boolean> {
  const { found } = await askOne(
    session,
    z.object({ found: z.boolean() }),
    `SELECT EXISTS (
       SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'log'
     ) AS found`,
    [schemasOf(service).feed],
  );
  return found;
}

/** What is said where there is none. */
export const NO_LOG = wrong('schema', 'the service has nothing in this database', {
  advice:
    'npm start or npm run migrate makes it; if it should be there, look at DATABASE_URL and SERVICE_NAME',
  section: OLDER,
});

/** Migrations, sql/, rights, triggers and row security. */
export async function lookAtSchema({ pool }: Patient): Promise<Remark[]> {
  const found = await readSchema(pool);
  const { behind, ahead } = compareSchemas(await readProgramSchema(), found);
  const closed = await readClosedTables(pool);
  const remarks = [
    ...behind.map(text => wrong('schema', text, { advice: MIGRATE, section: OLDER })),
    ...ahead.map(text =>
      note('schema', text, {
        advice: 'update this program',
        section: 'the-schema-is-newer-than-the-program',
      }),
    ),
    ...found.drift.map(text =>
      wrong('schema', text, { advice: MIGRATE, section: 'rights-or-triggers-are-not-as-they-should-be' }),
    ),
    ...closed.map(text =>
      wrong('schema', text, { advice: 'make that policy', section: 'row-security-hides-a-table' }),
    ),
  ];
  if (remarks.length > 0) return remarks;
  return [
    fine(
      'schema',
      `${found.migrations.length} migrations and sql/ version ${found.sqlVersion}, as they should be`,
    ),
  ];
}

const Log = z.object({ id: z.string() });

/** Whether both addresses lead to one database, where one of them leads through a pooler. */
export async function lookAtPooler({ session, service, settings }: Patient): Promise<Remark[]> {
  const { throughPooler, databaseUrl: url } = settings;
  if (!throughPooler || url === undefined) return [];
  const say = (text: string) =>
    wrong('pooler', text, {
      advice: 'look at DATABASE_URL and DATABASE_DIRECT_URL, and at what the pooler has for this database',
      section: 'the-database-is-away',
    });
  const WHICH = 'SELECT id::text AS id FROM feed.log';
  const direct = await askOne(session, Log, WHICH);
  try {
    const pooled = await openBareSession({ url, service, name: 'doctor' });
    const { id } = await askOne(pooled, Log, WHICH).finally(() => closeSession(pooled));
    if (id !== direct.id) return [say('DATABASE_URL and DATABASE_DIRECT_URL lead to different databases')];
    return [fine('pooler', 'DATABASE_URL and DATABASE_DIRECT_URL lead to the same database')];
  } catch (error) {
    return [say(`DATABASE_URL does not serve: ${error instanceof Error ? error.message : error}`)];
  }
}

/** What a migration or retention that was cut off has left. */
export async function lookAtRemains({ session, service }: Patient): Promise<Remark[]> {
  const { resources, feed } = schemasOf(service);
  const indexes = await ask(
    session,
    z.object({ name: z.string() }),
    `SELECT i.indexrelid::regclass::text AS name
     FROM pg_index AS i
     JOIN pg_class AS c ON c.oid = i.indrelid
     JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY (ARRAY[$1, $2]) AND NOT i.indisvalid AND c.relkind = 'r'
       AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index AS p WHERE p.index_relid = i.indexrelid)
     ORDER BY 1`,
    [resources, feed],
  );
  const partitions = await ask(
    session,
    z.object({ name: z.string() }),
    'SELECT relation::text AS name FROM feed.partitions() WHERE is_detached',
  );
  const section = 'an-index-or-a-partition-is-half-made';
  return [
    ...indexes.map(({ name }) =>
      wrong('remains', `the index ${name} is invalid: it is written to, and nobody reads it`, {
        advice: `DROP INDEX CONCURRENTLY ${name}; then npm run migrate`,
        section,
      }),
    ),
    ...partitions.map(({ name }) =>
      note('remains', `${name} is being taken off the log, or that was cut off`, {
        advice: `retention finishes it; by hand: ALTER TABLE ${feed}.events DETACH PARTITION ${name} FINALIZE`,
        section,
      }),
    ),
  ];
}

const Login = z.object({
  role: z.string(),
  superuser: z.boolean(),
  has_app: z.boolean(),
  has_reader: z.boolean(),
  is_owner: z.boolean(),
  is_member: z.boolean(),
  owner: z.string(),
});

/** What the login is to the service, and whether the roles are there. */
export async function lookAtLogin({ session, service, settings }: Patient): Promise<Remark[]> {
  const login = await askOne(
    session,
    Login,
    `SELECT quote_ident(current_user) AS role, me.rolsuper AS superuser, app.oid IS NOT NULL AS has_app, reader.oid IS NOT NULL AS has_reader,
       pg_has_role(log.relowner, 'USAGE') AS is_owner, coalesce(pg_has_role(app.oid, 'MEMBER'), false) AS is_member,
       quote_ident(pg_get_userbyid(log.relowner)) AS owner
     FROM pg_class AS log
     JOIN pg_namespace AS n ON n.oid = log.relnamespace AND n.nspname = $1
     JOIN pg_roles AS me ON me.rolname = current_user
     LEFT JOIN pg_roles AS app ON app.rolname = $2
     LEFT JOIN pg_roles AS reader ON reader.rolname = $3
     WHERE log.relname = 'log'`,
    [schemasOf(service).feed, appRole(service), readerRole(service)],
  );
  return judgeLogin(login, { app: appRole(service), reader: readerRole(service), ...settings });
}

/** The same, of what was found. */
export function judgeLogin(
  login: z.infer<typeof Login>,
  {
    app,
    reader,
    databaseUrl,
    retention,
  }: { app: string; reader: string } & Pick<Patient['settings'], 'databaseUrl' | 'retention'>,
): Remark[] {
  const section = 'the-login-is-not-what-the-service-needs';
  const { role, owner } = login;
  const say = (grade: 'note' | 'wrong', text: string, advice: string): Remark => ({
    subject: 'login',
    grade,
    text,
    advice,
    section,
  });
  const missing = [login.has_app ? [] : app, login.has_reader ? [] : reader].flat();
  const remarks = [
    ...missing.map(name =>
      say('note', `there is no role ${name}`, `a superuser: CREATE ROLE ${name}; then npm run migrate`),
    ),
    ...(login.is_owner || login.is_member
      ? []
      : [
          say(
            'wrong',
            `${role} is neither the owner of the log nor a member of ${app}`,
            `GRANT ${app} TO ${role}`,
          ),
        ]),
    ...(login.superuser && databaseUrl !== undefined
      ? [
          say(
            'note',
            `${role} is a superuser, whom nothing keeps from the log`,
            'give the instances a login that owns nothing',
          ),
        ]
      : []),
    ...(retention !== undefined && login.is_member && !login.is_owner
      ? [
          say(
            'note',
            `${role} does not own the log: instances that log in as it let nothing of it go`,
            `npm run retention with a timer, as ${owner}`,
          ),
        ]
      : []),
  ];
  if (remarks.length > 0) return remarks;
  return [fine('login', `${role}, ${login.is_owner ? 'which owns the log' : `a member of ${app}`}`)];
}
