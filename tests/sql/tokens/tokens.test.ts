// The table of tokens: what the database itself sees to, whoever writes.
import test from 'ava';
import { createToken } from '../../../src/access/token.ts';
import { withDatabase } from '../../helpers/sql.ts';
import { makeToken } from '../../helpers/tokens.ts';

test(
  'no token breaks its rules, however it is written, and each refusal names the rule',
  withDatabase(async (t, database) => {
    const owner = await database.psql();
    const { id, hash } = createToken();
    const good = { id, hash, name: 'x', scopes: ['admin'], expires_at: null as string | null };
    const insert = (token: Record<string, unknown>) =>
      owner.query('INSERT INTO tokens (id, hash, name, scopes, expires_at) VALUES ($1, $2, $3, $4, $5)', [
        ...Object.values({ ...good, ...token }),
      ]);
    for (const [wrong, constraint] of [
      [{ id: 'short' }, 'tokens_id_form'],
      [{ id: 'twk_1234' }, 'tokens_id_form'],
      [{ hash: Buffer.alloc(31) }, 'tokens_hash_digest'],
      [{ name: '' }, 'tokens_name_length'],
      [{ name: 'x'.repeat(101) }, 'tokens_name_length'],
      [{ name: ' x' }, 'tokens_name_printable'],
      [{ name: 'a\nb' }, 'tokens_name_printable'],
      [{ name: 'a\u202eb' }, 'tokens_name_printable'],
      [{ name: 'a\u200bb' }, 'tokens_name_printable'],
      [{ scopes: [] }, 'tokens_scopes_known'],
      [{ scopes: ['everything'] }, 'tokens_scopes_known'],
      [{ scopes: ['admin', null] }, 'tokens_scopes_known'],
      [{ expires_at: '2020-01-01' }, 'tokens_expires_later'],
    ] as const)
      await t.throwsAsync(insert(wrong), { message: new RegExp(`"${constraint}"`) }, JSON.stringify(wrong));
    await insert({});
    await t.throwsAsync(insert({}), { message: /"tokens_pkey"/ });
    for (const [change, constraint] of [
      [`hash = sha256('other')`, 'tokens_identity_fixed'],
      [`id = 'AAAAAAAA'`, 'tokens_identity_fixed'],
      [`created_at = now() - interval '1 day'`, 'tokens_identity_fixed'],
    ] as const)
      t.like(await owner.query(`UPDATE tokens SET ${change}`).catch((error: unknown) => error), {
        constraint,
      });
    await owner.query('UPDATE tokens SET revoked_at = now()');
    for (const time of ['NULL', `now() + interval '1 day'`])
      t.like(await owner.query(`UPDATE tokens SET revoked_at = ${time}`).catch((error: unknown) => error), {
        constraint: 'tokens_stay_revoked',
      });
    await owner.query(`SET session_replication_role = replica`);
    t.like(await owner.query('UPDATE tokens SET revoked_at = NULL').catch((error: unknown) => error), {
      constraint: 'tokens_stay_revoked',
    });
  }),
);

test(
  'the service may read tokens and note that they are used, people who read may not even see them',
  withDatabase(async (t, database) => {
    const owner = await database.psql();
    const { id } = await makeToken(owner, ['admin']);
    const denied = { message: /permission denied/ };
    await owner.query('SET ROLE taskwire_app');
    t.is((await owner.query('SELECT FROM tokens')).rowCount, 1);
    await owner.query('SELECT public.note_token_use($1, $2)', [[id], [1]]);
    for (const statement of [
      'UPDATE tokens SET revoked_at = NULL',
      'UPDATE tokens SET last_used_at = now()',
      `INSERT INTO tokens (id, hash, name, scopes) VALUES ('AAAAAAAA', sha256('x'), 'x', '{admin}')`,
      'DELETE FROM tokens',
      'TRUNCATE tokens',
    ])
      await t.throwsAsync(owner.query(statement), denied, statement);
    await owner.query('SET ROLE taskwire_reader');
    await t.throwsAsync(owner.query('SELECT FROM tokens'), denied);
    await t.throwsAsync(owner.query('SELECT public.note_token_use($1, $2)', [[id], [1]]), denied);
    await owner.query('RESET ROLE');
    t.is((await owner.query('SELECT FROM tokens WHERE last_used_at IS NOT NULL')).rowCount, 1);
  }),
);

test(
  'tokens cannot be watched, so that nothing of them is ever in the log',
  withDatabase(async (t, database) => {
    const owner = await database.psql();
    await t.throwsAsync(owner.query(`SELECT feed.watch('public.tokens', 'tokens', 'token')`), {
      message: /it holds what tokens are known by/,
    });
  }),
);
