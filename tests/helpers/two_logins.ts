// The roles and the database that docker-compose.yml and docs/ make, one login to migrate and another to work, and processes that
// log in with them.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { ExecutionContext } from 'ava';
import pg from 'pg';
import { openSession } from '../../src/postgres/session.ts';
import { databaseUrl, SERVICE } from './database.ts';
import { read } from './http.ts';
import { type Running, runToEnd, startService } from './process.ts';

const FILE = new URL('../../docker-compose.yml', import.meta.url);
const DOCS = new URL('../../docs/logins_and_rights.md', import.meta.url);
const SERVER = process.env.TEST_SERVER_URL ?? '';
const PASSWORD = `p@ss/w:rd#?%20'"`;
/** What PostgreSQL calls a right that is missing. */
export const INSUFFICIENT_PRIVILEGE = '42501';
/** The password of all logins, as a literal: it holds what no address can. */
export const QUOTED = `'${PASSWORD.replaceAll("'", "''")}'`;

/** A database, and who logs in to it. */
export interface Site {
  name: string;
  /** A superuser's session in the server's own database. */
  admin: pg.Client;
  /** What the processes are given. */
  owner: Record<string, string>;
  member: Record<string, string> & { DATABASE_URL: string };
  /** The same for any role, and a service of that name. */
  loginAs(role: string, service?: string): Site['member'];
  /** A session with one of the two logins. */
  connect(as: Record<string, string>): Promise<pg.Client>;
}

/** The statements of the file that make roles and database, for a service of this name. */
async function statementsFor(name: string): Promise<string[]> {
  const [, script = ''] = /content: \|\n((?: {6}.*\n)+)/.exec(await readFile(FILE, 'utf8')) ?? [];
  return bind(script, { taskwire: name });
}

/** The statements of docs/ that begin and go on like this, with these names in the place of those. */
export async function statementsOfDocs(wanted: RegExp, names: Record<string, string>): Promise<string[]> {
  const text = await readFile(DOCS, 'utf8');
  const blocks = [...text.matchAll(/^```psql\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
  const block = blocks.find(each => wanted.test(each));
  if (block === undefined) throw new Error(`${wanted} is not in the docs`);
  return bind(block, names);
}

function bind(script: string, names: Record<string, string>): string[] {
  const known = new RegExp(`\\b(${Object.keys(names).join('|')})(?=[ ,;_])`, 'g');
  return script
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('\\'))
    .map(line =>
      line
        .replace(/:'(?:owner|password)'|'…'/, QUOTED)
        .replaceAll(known, (_, word: string) => names[word] ?? word),
    );
}

/** The roles and the database as the file makes them, under names of their own. */
export async function setScene(t: ExecutionContext): Promise<Site> {
  const name = `compose_${randomBytes(6).toString('hex')}`;
  const admin = await openSession({ service: SERVICE, url: databaseUrl(SERVER, 'postgres'), name: 'tests' });
  const sessions: pg.Client[] = [admin];
  t.teardown(async () => {
    await Promise.all(sessions.slice(1).map(session => session.end().catch(() => {})));
    await admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    const made = await admin.query<{ role: string }>(
      `SELECT rolname AS role FROM pg_roles WHERE starts_with(rolname, $1)`,
      [name],
    );
    for (const { role } of made.rows) await admin.query(`DROP ROLE ${role}`);
    await admin.end();
  });
  for (const statement of await statementsFor(name)) await admin.query(statement);
  const loginAs = (role: string, service = name) => {
    const url = new URL(databaseUrl(SERVER, name));
    [url.username, url.password] = [role, ''];
    return { DATABASE_URL: url.href, PGPASSWORD: PASSWORD, SERVICE_NAME: service };
  };
  return {
    name,
    admin,
    loginAs,
    owner: loginAs(`${name}_owner`),
    member: loginAs(name),
    connect: async ({ DATABASE_URL: url = '' }) => {
      const address = Object.assign(new URL(url), { password: encodeURIComponent(PASSWORD) });
      const session = new pg.Client({ connectionString: address.href });
      session.on('error', () => {});
      sessions.push(session);
      await session.connect();
      return session;
    },
  };
}

/** `npm run migrate` with a login. */
export const migrateAs = (login: Record<string, string>) => runToEnd(login, 'src/commands/migrate.ts');

/** An instance with a login, until the test ends. */
export async function startAs(
  t: ExecutionContext,
  login: Site['member'],
  more: Record<string, string> = {},
): Promise<Running> {
  const service = await startService(login.DATABASE_URL, { ...login, ...more });
  t.teardown(() => service.stop());
  return service;
}

/** What an instance says of itself. */
export const readiness = async ({ address }: Running) => read(await fetch(`${address}/health/ready`));
