// Tokens for tests, as the owner's command makes them.
import type pg from 'pg';
import { createToken, type NewToken } from '../../src/access/token.ts';
import { insertToken } from '../../src/queries/tokens.ts';
import type { Scope } from '../../src/scopes.ts';

/** Enters a token; `seconds` later it expires. */
export async function makeToken(
  owner: pg.Client,
  scopes: readonly Scope[],
  { name = 'test', seconds }: { name?: string; seconds?: number } = {},
): Promise<NewToken> {
  const token = createToken();
  await insertToken(owner, { ...token, name, scopes, seconds });
  return token;
}

/** What sends a token. */
export const bearing = ({ text }: NewToken) => ({ Authorization: `Bearer ${text}` });
