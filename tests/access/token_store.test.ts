// What an instance knows of tokens, over a real database and a cable to it.
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { createToken } from '../../src/access/token.ts';
import { createTokenStore } from '../../src/access/token_store.ts';
import { openPool } from '../../src/postgres/pool.ts';
import { noteTokenUse, readTokens } from '../../src/queries/tokens.ts';
import type { Caller } from '../../src/web/access.ts';
import { logger } from '../fixtures/generator.ts';
import { createCable } from '../helpers/cable.ts';
import { SERVICE } from '../helpers/database.ts';
import { readValue, withDatabase } from '../helpers/sql.ts';
import { makeToken } from '../helpers/tokens.ts';
import { until } from '../helpers/until.ts';

/** A request as a server gets it, with these headers. */
async function requestWith(headers: Record<string, string>): Promise<IncomingMessage> {
  const server = createServer((_request, response) => response.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const asked = once(server, 'request');
  await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { headers });
  const [request] = await asked;
  server.close();
  return request;
}

const whenEnded = ({ whenEnded }: Caller) => new Promise<void>(resolve => whenEnded(resolve));

const tries = (store: { identify(request: IncomingMessage): Promise<unknown> }, request: IncomingMessage) =>
  store.identify(request).then(
    () => 'in',
    (error: { code: string }) => error.code,
  );

test(
  'a token is known from the moment it is made until it is revoked, whether or not anything rings',
  withDatabase(async (t, database) => {
    const owner = await database.psql();
    const store = createTokenStore({
      read: known => readTokens(database.pool, known),
      note: uses => noteTokenUse(database.pool, uses),
      logger,
    });
    t.teardown(() => store.stop());
    await store.start();
    const token = await makeToken(owner, ['tasks:read'], { name: 'ci' });
    const request = await requestWith({ Authorization: `Bearer ${token.text}` });
    t.like(await store.identify(request), { token: { id: token.id, name: 'ci' }, scopes: ['tasks:read'] });
    t.is(
      await tries(store, await requestWith({ Authorization: `Bearer ${createToken().text}` })),
      'unauthenticated',
    );

    const ended = whenEnded(await store.identify(request));
    await owner.query('UPDATE tokens SET revoked_at = now() WHERE id = $1', [token.id]);
    await ended;
    t.is(await tries(store, request), 'unauthenticated');
  }),
);

test(
  'however many tokens come that are not known, the database is asked as if they were one',
  withDatabase(async (t, database) => {
    let reads = 0;
    const store = createTokenStore({
      read(known) {
        reads++;
        return readTokens(database.pool, known);
      },
      note: async () => {},
      logger,
    });
    t.teardown(() => store.stop());
    await store.start();
    const requests = await Promise.all(
      Array.from({ length: 100 }, () => requestWith({ Authorization: `Bearer ${createToken().text}` })),
    );
    const before = reads;
    const outcomes = await Promise.all(
      requests.flatMap(request => Array.from({ length: 20 }, () => tries(store, request))),
    );
    t.deepEqual(new Set(outcomes), new Set(['unauthenticated']));
    t.true(reads - before <= 8, `${reads - before} reads for 2,000 tokens`);
  }),
);

test(
  'a token whose scopes were changed ends what was begun with it, and may then what it says',
  withDatabase(async (t, database) => {
    const owner = await database.psql();
    const token = await makeToken(owner, ['tasks:read', 'tasks:write']);
    const store = createTokenStore({
      read: known => readTokens(database.pool, known),
      note: async () => {},
      logger,
    });
    t.teardown(() => store.stop());
    await store.start();
    const request = await requestWith({ Authorization: `Bearer ${token.text}` });
    const ended = whenEnded(await store.identify(request));
    await owner.query(`UPDATE tokens SET scopes = '{tasks:read}' WHERE id = $1`, [token.id]);
    store.hear();
    await ended;
    t.deepEqual((await store.identify(request)).scopes, ['tasks:read']);
  }),
);

test(
  'that a token was used is noted, and ends nothing',
  withDatabase(async (t, database) => {
    const owner = await database.psql();
    const [used, unused] = [await makeToken(owner, ['tasks:read']), await makeToken(owner, ['tasks:read'])];
    const store = createTokenStore({
      read: known => readTokens(database.pool, known),
      note: uses => noteTokenUse(database.pool, uses),
      logger,
    });
    await store.start();
    const request = await requestWith({ Authorization: `Bearer ${used.text}` });
    let ended = false;
    (await store.identify(request)).whenEnded(() => {
      ended = true;
    });
    await noteTokenUse(database.pool, [{ id: used.id, seconds: 1 }]);
    await store.stop();
    t.false(ended);
    t.deepEqual((await owner.query('SELECT id FROM tokens WHERE last_used_at IS NOT NULL')).rows, [
      { id: used.id },
    ]);
    t.is(await readValue(owner, `SELECT last_used_at::text FROM tokens WHERE id = '${unused.id}'`), null);
  }),
);

test(
  'while it cannot be known which tokens there are nobody is let in, and once it can be again, who may is',
  withDatabase(async (t, database) => {
    const token = await makeToken(await database.psql(), ['tasks:read']);
    const cable = await createCable(new URL(database.url));
    const pool = await openPool({ service: SERVICE, url: cable.through(database.url), size: 1, role: true });
    t.teardown(() => pool.end());
    const store = createTokenStore({
      read: known => readTokens(pool, known),
      note: async () => {},
      logger,
      knownFor: 1_500,
    });
    t.teardown(() => store.stop());
    await store.start();
    const request = await requestWith({ Authorization: `Bearer ${token.text}` });
    t.is(await tries(store, request), 'in');
    t.is(store.obstacle, undefined);
    cable.cut();
    await until(async () => (await tries(store, request)) === 'unavailable');
    t.regex(store.obstacle ?? '', /tokens cannot be read/);
    cable.mend();
    await until(async () => (await tries(store, request)) === 'in');
    t.is(store.obstacle, undefined);
  }),
);
