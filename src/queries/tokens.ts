// Queries on tokens: those of the service, which may only read them, and those of their owner's command.
import type pg from 'pg';
import { sql } from 'slonik';
import { z } from 'zod';
import { type DatabasePool, noRow } from '../postgres/pool.ts';
import { SCOPES, type Scope } from '../scopes.ts';

const Token = z.strictObject({
  id: z.string(),
  hash: z.instanceof(Buffer),
  name: z.string(),
  scopes: z.array(z.enum(SCOPES)),
  /** Milliseconds until it expires, by the database's clock; null for never. */
  expires_in: z.number().nullable(),
});

/** A token that is valid now. */
export type ValidToken = z.output<typeof Token>;

const Tokens = z.strictObject({ state: z.string(), tokens: z.string().nullable() });

/**
 * All valid tokens, and a digest of the table's state, by which a later call says nothing if nothing has changed: a sum over the rows and
 * the transactions that wrote them, so whatever order they committed in, a change is seen.
 */
export async function readTokens(
  pool: DatabasePool,
  known: string | undefined,
): Promise<{ state: string; tokens: ValidToken[] | undefined }> {
  const { state, tokens } = await pool.one(sql.prepared('read_tokens', Tokens)`
    WITH now AS MATERIALIZED (
      SELECT count(*) || ':' || coalesce(sum(hashtextextended(t.id || ':' || t.xmin::text, 0)::numeric), 0) AS state
      FROM public.tokens AS t
    )
    SELECT now.state, CASE WHEN now.state IS DISTINCT FROM ${known ?? null}::text THEN (
      SELECT coalesce(json_agg(json_build_object(
        'id', t.id, 'hash', encode(t.hash, 'hex'), 'name', t.name, 'scopes', t.scopes,
        'expires_in', extract(epoch FROM t.expires_at - clock_timestamp()) * 1000)), '[]')::text
      FROM public.tokens AS t
      WHERE t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > clock_timestamp())
    ) END AS tokens
    FROM now`);
  return { state, tokens: tokens === null ? undefined : z.array(Sent).parse(JSON.parse(tokens)) };
}

const Sent = Token.extend({ hash: z.string().transform(hex => Buffer.from(hex, 'hex')) });

const ListedToken = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.string(),
  created_at: z.string(),
  expires_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
  last_used_at: z.string().nullable(),
  is_valid: z.boolean(),
});

/** A token as its owner sees it; times are RFC 3339. */
export type ListedToken = z.output<typeof ListedToken>;

const LISTED = `
  t.id, t.name, array_to_string(t.scopes, ',') AS scopes, feed.rfc3339(t.created_at) AS created_at,
  feed.rfc3339(t.expires_at) AS expires_at, feed.rfc3339(t.revoked_at) AS revoked_at, feed.rfc3339(t.last_used_at) AS last_used_at,
  t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now()) AS is_valid`;

/** Enters a token, which is valid at once; `seconds` later it expires. */
export async function insertToken(
  owner: pg.Client,
  {
    id,
    hash,
    name,
    scopes,
    seconds,
  }: { id: string; hash: Buffer; name: string; scopes: readonly Scope[]; seconds: number | undefined },
): Promise<void> {
  await owner.query(
    'INSERT INTO public.tokens (id, hash, name, scopes, expires_at) VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))',
    [id, hash, name, scopes, seconds ?? null],
  );
}

/** All tokens there ever were, the newest last. */
export async function listTokens(owner: pg.Client): Promise<ListedToken[]> {
  const { rows } = await owner.query(`SELECT ${LISTED} FROM public.tokens AS t ORDER BY t.created_at, t.id`);
  return z.array(ListedToken).parse(rows);
}

/** Those whose id begins so. */
export async function findTokens(owner: pg.Client, beginning: string): Promise<ListedToken[]> {
  const { rows } = await owner.query(
    `SELECT ${LISTED} FROM public.tokens AS t WHERE starts_with(t.id, $1) ORDER BY t.id`,
    [beginning],
  );
  return z.array(ListedToken).parse(rows);
}

/** Ends a token's validity, for good. */
export async function revokeToken(owner: pg.Client, id: string): Promise<void> {
  await owner.query('UPDATE public.tokens SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL', [id]);
}

/** A token, and how many seconds ago it was used last. */
export interface TokenUse {
  id: string;
  seconds: number;
}

/** Notes when these were used last. */
export async function noteTokenUse(pool: DatabasePool, uses: readonly TokenUse[]): Promise<void> {
  const ids = uses.map(({ id }) => id);
  const seconds = uses.map(each => each.seconds);
  await pool.query(sql.prepared('note_token_use', noRow)`
    SELECT FROM public.note_token_use(${sql.array(ids, 'text')}, ${sql.array(seconds, 'float8')})`);
}
