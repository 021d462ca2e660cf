// GET /access: a client is told what it may do, before something is refused.
import anyTest, { type TestFn } from 'ava';
import { SCOPES } from '../../src/scopes.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { senderTo } from '../helpers/http.ts';
import { type Context, startInstance, withInstance } from '../helpers/instance.ts';
import { bearing, makeToken } from '../helpers/tokens.ts';

const test = anyTest as TestFn<Context>;
withInstance(test, { AUTH: 'token' });

test('who sends a token is told its name and its scopes, whichever they are; who sends none is not let in', async t => {
  const { database, instance } = t.context;
  const send = senderTo(instance.address);
  const owner = await database.psql();
  for (const scopes of [['tasks:read', 'tasks:write'], ['admin']] as const) {
    const token = await makeToken(owner, scopes, { name: 'ann' });
    const { status, body } = await send('GET', '/access', undefined, bearing(token));
    t.is(status, 200);
    t.deepEqual(body, { token: { id: token.id, name: 'ann' }, scopes: [...scopes] });
  }
  t.is((await send('GET', '/access')).status, 401);
});

test('where nobody is asked for a token everybody may do all but what is an operator’s', async t => {
  const database = await createTestDatabase();
  const instance = await startInstance(database.url, { AUTH: 'none' });
  t.teardown(async () => {
    await instance.stop();
    await database.drop();
  });
  const { body } = await senderTo(instance.address)('GET', '/access');
  t.deepEqual(body, { token: null, scopes: SCOPES.filter(scope => scope !== 'admin') });
});
