// `npm run token -- create|list|revoke`: who may use the service where AUTH=token. For the owner of the tables: the role that
// the service works as may only read them.
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { createToken, readTokenId } from '../access/token.ts';
import { ServiceError } from '../errors.ts';
import { LONGEST_DURATION, secondsOf } from '../parsing/duration.ts';
import { isRefusal } from '../postgres/preflight.ts';
import { closeSession, openSession } from '../postgres/session.ts';
import { SQLSTATE } from '../postgres/sqlstate.ts';
import { findTokens, insertToken, type ListedToken, listTokens, revokeToken } from '../queries/tokens.ts';
import { SCOPES, type Scope } from '../scopes.ts';
import { runCommand } from './command.ts';

const USAGE = `usage:
  npm run token -- create --name ci --scopes tasks:read,tasks:write [--expires 90d]
      prints a new token, once: only its SHA-256 is kept. Scopes: ${SCOPES.join(', ')},
      or tasks:* and currencies:* for both. --expires: a number with s, m, h or d
  npm run token -- list
  npm run token -- revoke <the token, its id, or how that begins>
`;

const scopes = z
  .string()
  .transform(text => [...new Set(text.split(',').flatMap(scopesOf))])
  .pipe(z.array(z.enum(SCOPES)).min(1));
const lifetime = z.string().transform(secondsOf).pipe(z.number().max(LONGEST_DURATION));
const Creation = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1)
    .refine(text => [...text].length <= 100 && !/\p{Cc}|\p{Cf}|\p{Cs}|\p{Zl}|\p{Zp}/u.test(text)),
  scopes,
  expires: lifetime.optional(),
});

type Client = Awaited<ReturnType<typeof openSession>>;
type Work = (owner: Client) => Promise<number>;

const work = readArguments(process.argv.slice(2));
if (work === undefined) {
  process.stderr.write(USAGE);
  process.exit(1);
}

await runCommand(async ({ config: { service }, url }) => {
  const owner = await openSession({ url, service, name: 'token' });
  try {
    return await work(owner);
  } catch (error) {
    throw explain(error);
  } finally {
    await closeSession(owner);
  }
});

function readArguments([verb, ...rest]: readonly string[]): Work | undefined {
  try {
    if (verb === 'create') {
      const text = { type: 'string' } as const;
      const { values } = parseArgs({ args: rest, options: { name: text, scopes: text, expires: text } });
      const wanted = Creation.parse(values);
      return owner => create(owner, wanted);
    }
    if (verb === 'list' && rest.length === 0) return list;
    const [given, ...more] = rest;
    if (verb === 'revoke' && given !== undefined && more.length === 0) {
      const beginning = readTokenId(given) ?? given.replace(/^twk_/, '');
      return /^[0-9A-Za-z]{1,8}$/.test(beginning) ? owner => revoke(owner, beginning) : undefined;
    }
    return undefined;
  } catch {
    return undefined;
  }
}

async function create(owner: Client, { name, scopes, expires }: z.output<typeof Creation>): Promise<number> {
  const { text, id, hash } = createToken();
  await insertToken(owner, { id, hash, name, scopes, seconds: expires });
  process.stdout.write(`${text}\n`);
  return 0;
}

async function list(owner: Client): Promise<number> {
  const tokens = await listTokens(owner);
  const head = ['id', 'name', 'scopes', 'created', 'last used', 'state'];
  const lines = [head, ...tokens.map(rowOf)];
  const widths = head.map((_, column) => Math.max(...lines.map(line => line[column]?.length ?? 0)));
  for (const line of lines)
    process.stdout.write(
      `${line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    );
  return 0;
}

function rowOf({
  id,
  name,
  scopes,
  created_at,
  expires_at,
  revoked_at,
  last_used_at,
  is_valid,
}: ListedToken) {
  const state = revoked_at
    ? `revoked ${revoked_at}`
    : `${is_valid ? 'valid' : 'expired'}${expires_at ? ` ${is_valid ? 'until' : 'at'} ${expires_at}` : ''}`;
  return [id, name, scopes, created_at, last_used_at ?? 'never', state];
}

async function revoke(owner: Client, beginning: string): Promise<number> {
  const found = await findTokens(owner, beginning);
  const [token, ...others] = found;
  if (!token || others.length > 0) {
    const why = token
      ? `${found.length} tokens begin with ${beginning}: ${found.map(nameOf).join(', ')}`
      : `no token begins with ${beginning}`;
    process.stderr.write(`${why}\n`);
    return 1;
  }
  await revokeToken(owner, token.id);
  process.stdout.write(
    token.revoked_at ? `${nameOf(token)} was revoked ${token.revoked_at}\n` : `${nameOf(token)} is revoked\n`,
  );
  return 0;
}

function nameOf({ id, name }: ListedToken): string {
  return `${id} (${name})`;
}

// Both names of a pair.
function scopesOf(text: string): readonly string[] {
  const name = text.trim();
  if (!/^(tasks|currencies):\*$/.test(name)) return [name];
  return SCOPES.filter((scope: Scope) => scope.startsWith(name.slice(0, -1)));
}

function explain(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === SQLSTATE.undefinedTable)
    return new ServiceError(
      'unfit_database',
      'there are no tokens in this database yet: run npm run migrate, or start the service',
      {
        cause: error,
      },
    );
  if (isRefusal(error))
    return new ServiceError(
      'unfit_database',
      'this role may neither write nor list tokens: set DATABASE_URL to that of the owner, who migrates the database',
      { cause: error },
    );
  return error;
}
