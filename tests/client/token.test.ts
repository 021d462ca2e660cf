// The client with a token of a real service.
import test from 'ava';
import { connect } from '../../src/client/client.ts';
import { clientOf, watch } from '../helpers/client.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { startInstance } from '../helpers/instance.ts';
import { makeToken } from '../helpers/tokens.ts';
import { until } from '../helpers/until.ts';

async function start(t: Parameters<typeof clientOf>[0]) {
  const database = await createTestDatabase();
  t.teardown(() => database.drop());
  const instance = await startInstance(database.url, { AUTH: 'token' });
  t.teardown(() => instance.stop());
  return { owner: await database.psql(), address: instance.address };
}

test('a token that shows tasks alone hears everything that it may, and takes what is left out for no fault', async t => {
  const { owner, address } = await start(t as never);
  const { text: token } = await makeToken(owner, ['tasks:read', 'tasks:write']);
  const client = clientOf(t as never, address, { token });
  const events = client.events(); // an error that nobody awaits would fail the test
  const first = events.next();
  await until(() => client.state === 'live');
  await owner.query(`INSERT INTO currencies (currency, rate) VALUES ('USD', 83)`);
  const made = await client.tasks.create({ title: 'x' });
  await owner.query(`INSERT INTO currencies (currency, rate) VALUES ('EUR', 96)`);
  await client.tasks.update(made.id, { status: 'done' });
  const { value } = await first;
  t.like(value, { type: 'task_created', position: 2, actor: { name: 'test' } });
  t.like((await events.next()).value, { type: 'task_updated', position: 4 });
  await events.return();
});

test('a token that is revoked is asked for once more, and the rows go on with the new one', async t => {
  const { owner, address } = await start(t as never);
  const tokens = [await makeToken(owner, ['tasks:read']), await makeToken(owner, ['tasks:read'])];
  let asked = 0;
  const client = clientOf(t as never, address, { token: async () => tokens[asked++]?.text ?? 'none' });
  const open = client.collection('tasks');
  await watch(t as never, open);
  await owner.query('UPDATE tokens SET revoked_at = now() WHERE id = $1', [tokens[0]?.id]);
  await until(() => asked === 2);
  await owner.query(`INSERT INTO tasks (title) VALUES ('later')`);
  await until(() => open.items.length === 1 && open.state === 'live');
  t.is(asked, 2);
});

test('without a scope a change is refused in words, and shows no more', async t => {
  const { owner, address } = await start(t as never);
  const { text: token } = await makeToken(owner, ['tasks:read']);
  const client = connect({ url: address, token });
  t.teardown(client.close);
  const open = client.collection('tasks');
  const seen = await watch(t as never, open);
  await t.throwsAsync(client.tasks.create({ title: 'x' }), { message: /needs the scope tasks:write/ });
  t.deepEqual(open.items, []);
  t.deepEqual(
    seen.map(({ length }) => length).filter(length => length > 1),
    [],
  );
});
