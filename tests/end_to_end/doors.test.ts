// Every door of the service, as its own documents name them, and who may come in by it.
import test from 'ava';
import type { NewToken } from '../../src/access/token.ts';
import { createToken } from '../../src/access/token.ts';
import { Problem } from '../../src/http/middleware/problems.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { SCOPES, type Scope } from '../../src/scopes.ts';
import { logger } from '../fixtures/generator.ts';
import { createTestDatabase, type TestDatabase } from '../helpers/database.ts';
import { startInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';
import { bearing, makeToken } from '../helpers/tokens.ts';

const ANY_ID = '0198c0de-5c1f-7a30-8f1e-3b5c6d7e8f90';

interface Door {
  name: string;
  method: string;
  path: string;
  /** Any of them is enough; none: it is open. */
  scopes: readonly Scope[];
  /** Whether a client on this machine needs none. */
  isExempt: boolean;
}

const shared = {} as {
  database: TestDatabase;
  address: string;
  stop(): Promise<void>;
  doors: Door[];
  places: Door[];
};

test.before(async () => {
  const database = await createTestDatabase();
  const { address, stop } = await startInstance(database.url, { AUTH: 'token' });
  // biome-ignore lint/suspicious/noExplicitAny: a document of another format
  const document = async (path: string): Promise<any> => (await fetch(`${address}${path}`)).json();
  const { paths } = await document('/openapi.json');
  const doors = Object.entries(paths as object).flatMap(([path, operations]) =>
    Object.entries(operations as Record<string, { security: Record<string, Scope[]>[] }>).map(
      ([method, { security }]) => ({
        name: `${method.toUpperCase()} ${path}`,
        method: method.toUpperCase(),
        path: path.replaceAll(/\{\w+\}/g, path.startsWith('/problems') ? 'invalid' : ANY_ID),
        scopes: security.flatMap(each => each.token ?? []),
        isExempt: security.some(each => each.token === undefined),
      }),
    ),
  );
  const { channels } = await document('/asyncapi.json');
  const places = Object.values(channels as Record<string, { address: string; 'x-scopes': Scope[] }>)
    .filter(({ address }) => address.startsWith('/ws/'))
    .map(({ address, 'x-scopes': scopes }) => ({
      name: address,
      method: 'GET',
      path: address,
      scopes,
      isExempt: false,
    }));
  Object.assign(shared, { database, address, stop, doors, places });
});
test.after.always(async () => {
  await shared.stop?.();
  await shared.database?.drop();
});

const ask = async ({ method, path }: Door, headers: Record<string, string>) => {
  const response = await fetch(`${shared.address}${path}`, { method, headers, redirect: 'manual' });
  await response.body?.cancel();
  return response;
};

async function strangers(): Promise<Record<string, Record<string, string>>> {
  const owner = await shared.database.psql();
  await migrate({ url: shared.database.url, service: 'shop', logger });
  const all = [...SCOPES];
  const revoked = await makeToken(owner, all);
  await owner.query('UPDATE tokens SET revoked_at = now() WHERE id = $1', [revoked.id]);
  const expired = await makeToken(owner, all);
  await owner.query(`UPDATE tokens SET expires_at = created_at + interval '1 microsecond' WHERE id = $1`, [
    expired.id,
  ]);
  const elsewhere = createToken();
  await owner.query('INSERT INTO shop.tokens (id, hash, name, scopes) VALUES ($1, $2, $3, $4)', [
    elsewhere.id,
    elsewhere.hash,
    'of another service',
    all,
  ]);
  const valid = await makeToken(owner, all);
  const last = valid.text.at(-1) === 'a' ? 'b' : 'a';
  return {
    'no token': {},
    'a token in another scheme': { Authorization: `Basic ${valid.text}` },
    'a mistyped token': { Authorization: `Bearer ${valid.text.slice(0, -1)}${last}` },
    'no token at all': { Authorization: 'Bearer x' },
    'two tokens': { Authorization: `Bearer ${valid.text} ${valid.text}` },
    'a token nobody made': bearing(createToken()),
    'a revoked token': bearing(revoked),
    'an expired token': bearing(expired),
    'a token of another service': bearing(elsewhere),
    'a token in a cookie': { Cookie: `token=${valid.text}` },
  };
}

test('there is no door but those that say who may come in, and all who may not are sent away at each', async t => {
  const { doors, places } = shared;
  t.deepEqual(
    doors
      .filter(({ scopes }) => scopes.length === 0)
      .map(({ name }) => name)
      .filter(name => !/^GET \/(docs|health|problems|openapi|asyncapi|page|client\.js|$)/.test(name)),
    [],
  );
  t.true(doors.length > 25 && places.length === 3);
  for (const [who, headers] of Object.entries(await strangers())) {
    for (const door of doors.filter(({ scopes, isExempt }) => scopes.length > 0 && !isExempt)) {
      const response = await ask(door, headers);
      t.is(response.status, 401, `${door.name}, ${who}`);
      const challenge = response.headers.get('www-authenticate') ?? '';
      // RFC 6750, section 3.1: a client that sent nothing is told of no error.
      const isNone = who === 'no token' || who === 'a token in a cookie';
      t.regex(challenge, isNone ? /^Bearer realm="taskwire"$/ : /^Bearer realm="taskwire", error="invalid_/);
    }
    for (const { path } of places)
      t.is((await openSocket(shared.address, path, headers).closed).code, 4401, `${path}, ${who}`);
  }
});

test('each door opens to each scope that is enough for it, and to no other one', async t => {
  const owner = await shared.database.psql();
  const tokens = new Map<Scope, NewToken>();
  for (const scope of SCOPES) tokens.set(scope, await makeToken(owner, [scope], { name: `only ${scope}` }));
  for (const [scope, token] of tokens) {
    for (const door of shared.doors.filter(({ scopes }) => scopes.length > 0)) {
      const response = await ask(door, bearing(token));
      const mayNot = !door.scopes.includes(scope) && !door.isExempt;
      t.is([401, 403].includes(response.status), mayNot, `${door.name}, ${scope}: ${response.status}`);
      if (mayNot) {
        t.is(response.status, 403);
        t.true(response.headers.get('www-authenticate')?.includes(`scope="${door.scopes.join(' ')}"`));
      }
    }
    for (const { path, scopes } of shared.places) {
      const socket = openSocket(shared.address, path, bearing(token));
      if (scopes.includes(scope)) t.is((await socket.next()).type, 'ready', `${path}, ${scope}`);
      else {
        const { code, reason } = await socket.closed;
        t.is(code, 1008, `${path}, ${scope}`);
        t.true(reason.startsWith(`this needs the scope ${scopes.join(' or ')}`));
      }
      socket.drop();
    }
  }
});

test('who may not ask learns nothing of what is wrong with the request', async t => {
  const { text } = await makeToken(await shared.database.psql(), ['currencies:read']);
  for (const [headers, status] of [
    [{}, 401],
    [{ Authorization: `Bearer ${text}` }, 403],
  ] as const) {
    for (const [method, path] of [
      ['GET', '/tasks?bogus=1'],
      ['GET', '/tasks/no-uuid'],
      ['POST', '/tasks'],
      ['PATCH', '/tasks/x?y=z'],
    ] as const) {
      const response = await fetch(`${shared.address}${path}`, {
        method,
        headers,
        ...(method !== 'GET' && { body: '{' }),
      });
      const { status: told, errors } = Problem.parse(await response.json());
      t.deepEqual([response.status, told, errors], [status, status, undefined], `${method} ${path}`);
    }
  }
});

test('a token in the address is refused like no token', async t => {
  const { text } = await makeToken(await shared.database.psql(), [...SCOPES]);
  t.is((await fetch(`${shared.address}/tasks?access_token=${text}`)).status, 401);
  t.is((await openSocket(shared.address, `/ws/tasks?token=${text}`).closed).code, 4401);
});
