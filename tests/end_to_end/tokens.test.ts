// Tokens as operators and clients have them: made by a command, told of on events, and closed on every instance.
import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { createCable } from '../helpers/cable.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { createTestInstance, startInstance } from '../helpers/instance.ts';
import { runToEnd } from '../helpers/process.ts';
import { openSocket } from '../helpers/socket.ts';
import { readValue } from '../helpers/sql.ts';
import { bearing, makeToken } from '../helpers/tokens.ts';

const AUTH = { AUTH: 'token' };
const Task = z.object({ id: z.string() });
const Page = z.object({ data: z.array(z.object({ type: z.string(), actor: z.unknown() })) });
const Told = z.object({ detail: z.string() });
const typesIn = async (response: Response) => Page.parse(await response.json()).data.map(({ type }) => type);
const JSON_BODY = { 'Content-Type': 'application/json' };

async function start(t: ExecutionContext, environment: Record<string, string> = {}) {
  const database = await createTestDatabase();
  t.teardown(() => database.drop());
  const instance = await startInstance(database.url, { ...AUTH, ...environment });
  t.teardown(() => instance.stop());
  return { database, owner: await database.psql(), address: instance.address };
}

const command = (url: string, ...args: string[]) =>
  runToEnd({ DATABASE_URL: url }, 'src/commands/token.ts', ...args);

test('a token is made, listed and revoked by the command, and is told to nobody again', async t => {
  const { database, address } = await start(t);
  const made = await command(
    database.url,
    'create',
    '--name',
    'ci',
    '--scopes',
    'tasks:read,currencies:*',
    '--expires',
    '90d',
  );
  t.is(made.code, 0, made.output);
  const text = made.output.trim();
  t.regex(text, /^twk_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}$/);
  const id = text.slice(4, 12);
  const headers = { Authorization: `Bearer ${text}` };
  t.is((await fetch(`${address}/tasks`, { headers })).status, 200);
  t.is((await fetch(`${address}/task-generator`, { headers })).status, 403);
  const listed = await command(database.url, 'list');
  t.regex(
    listed.output,
    new RegExp(`${id} +ci +tasks:read,currencies:read,currencies:write .* valid until `),
  );
  t.false(listed.output.includes(text.slice(13)));
  const owner = await database.psql();
  t.is(
    await readValue(
      owner,
      `SELECT count(*)::integer FROM tokens AS t WHERE t::text LIKE '%${text.slice(13)}%'`,
    ),
    0,
  );

  const revoked = await command(database.url, 'revoke', id.slice(0, 5));
  t.is(revoked.output, `${id} (ci) is revoked\n`);
  t.regex((await command(database.url, 'revoke', text)).output, new RegExp(`^${id} \\(ci\\) was revoked `));
  t.regex((await command(database.url, 'list')).output, /revoked \d{4}-/);
});

test('an argument that is wrong gets the usage and changes nothing', async t => {
  const { database, owner } = await start(t);
  for (const args of [
    [],
    ['make'],
    ['create'],
    ['create', '--name', 'x'],
    ['create', '--name', '', '--scopes', 'admin'],
    ['create', '--name', 'x', '--scopes', 'tasks:read,everything'],
    ['create', '--name', 'x', '--scopes', ''],
    ['create', '--name', 'x', '--scopes', 'admin:*'],
    ['create', '--name', 'x', '--scopes', 'admin', '--expires', '0d'],
    ['create', '--name', 'x', '--scopes', 'admin', '--expires', 'tomorrow'],
    ['create', '--name', 'x', '--scopes', 'admin', 'more'],
    ['list', 'all'],
    ['revoke'],
    ['revoke', '%'],
    ['revoke', 'a', 'b'],
  ]) {
    const { code, output } = await command(database.url, ...args);
    t.is(code, 1, args.join(' '));
    t.regex(output, /^usage:/, args.join(' '));
  }
  const missing = await command(database.url, 'revoke', 'nobody');
  t.deepEqual([missing.code, missing.output], [1, 'no token begins with nobody\n']);
  t.is(await readValue(owner, 'SELECT count(*)::integer FROM tokens'), 0);
});

test('a change tells who made it, and who only says so is psql', async t => {
  const { owner, address } = await start(t);
  const token = await makeToken(owner, ['tasks:read', 'tasks:write'], { name: 'Ada "A" Ł' });
  const socket = openSocket(address, '/ws/tasks', bearing(token));
  await socket.next();
  const made = await fetch(`${address}/tasks`, {
    method: 'POST',
    headers: { ...JSON_BODY, ...bearing(token) },
    body: '{"title":"x"}',
  });
  t.is(made.status, 201);
  const { id } = Task.parse(await made.json());
  const actor = { id: token.id, name: 'Ada "A" Ł' };
  t.like(await socket.event(), { type: 'task_created', origin: 'rest', actor });

  const role = `writer_${randomUUID().replaceAll('-', '')}`;
  await owner.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'; GRANT UPDATE, SELECT ON tasks TO ${role}`);
  await owner.query(`
    BEGIN; SET LOCAL taskwire.origin = 'rest'; SET LOCAL taskwire.token = '${token.id}';
    UPDATE tasks SET title = 'believed' WHERE id = '${id}'; COMMIT`);
  t.like(await socket.event(), { origin: 'rest', actor });
  await owner.query(`
    BEGIN; SET LOCAL taskwire.origin = 'rest'; SET LOCAL taskwire.token = 'nobody00';
    UPDATE tasks SET title = 'of no token' WHERE id = '${id}'; COMMIT`);
  t.like(await socket.event(), { origin: 'rest', actor: null });
  await owner.query(`SET SESSION AUTHORIZATION ${role}`);
  await owner.query(`
    BEGIN; SET LOCAL taskwire.origin = 'rest'; SET LOCAL taskwire.token = '${token.id}';
    UPDATE tasks SET title = 'not believed' WHERE id = '${id}'; COMMIT`);
  t.like(await socket.event(), { origin: 'psql', actor: null });
  await owner.query(`RESET SESSION AUTHORIZATION; REVOKE ALL ON tasks FROM ${role}; DROP ROLE ${role}`);
  const history = await fetch(`${address}/tasks/${id}/history`, { headers: bearing(token) });
  t.deepEqual(
    Page.parse(await history.json()).data.map(({ actor }) => actor),
    [actor, actor, null, null],
  );
  socket.drop();
});

test('an Idempotency-Key is of one token', async t => {
  const { owner, address } = await start(t);
  const [one, other] = [await makeToken(owner, ['tasks:write']), await makeToken(owner, ['tasks:write'])];
  const post = async (token: typeof one, title: string) => {
    const headers = { ...JSON_BODY, ...bearing(token), 'Idempotency-Key': 'same' };
    const response = await fetch(`${address}/tasks`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ title }),
    });
    return [response.status, response.headers.get('idempotent-replayed')];
  };
  t.deepEqual(await post(one, 'a'), [201, null]);
  t.deepEqual(await post(other, 'b'), [201, null]);
  t.deepEqual(await post(one, 'a'), [201, 'true']);
  t.deepEqual(await post(other, 'a'), [422, null]);
  t.is(await readValue(owner, 'SELECT count(*)::integer FROM tasks'), 2);
});

test('who may see tasks sees nothing of currencies, be it live, in the past, or in a snapshot', async t => {
  const { owner, address } = await start(t);
  await owner.query(`INSERT INTO currencies (currency, rate) VALUES ('USD', 83)`);
  await owner.query(`INSERT INTO tasks (title) VALUES ('seen')`);
  const token = await makeToken(owner, ['tasks:read']);
  const headers = bearing(token);
  const socket = openSocket(address, '/ws/events?snapshot=true', headers);
  const ready = (await socket.next()) as { type: string; topics?: string[] };
  t.deepEqual([ready.type, ready.topics], ['ready', ['tasks']]);
  t.like(await socket.next(), { type: 'snapshot', topic: 'tasks', last: true });
  await owner.query(`UPDATE currencies SET rate = 84; INSERT INTO tasks (title) VALUES ('later')`);
  t.like(await socket.event(), { type: 'task_created', position: 4 });
  t.deepEqual(await typesIn(await fetch(`${address}/events`, { headers })), ['task_created', 'task_created']);
  t.deepEqual(await typesIn(await fetch(`${address}/events?compact=true`, { headers })), [
    'task_created',
    'task_created',
  ]);
  for (const path of [
    '/events?topic=currencies',
    '/events?type=currency_updated',
    '/events/stream?topic=currencies',
  ]) {
    const response = await fetch(`${address}${path}`, { headers });
    t.is(response.status, 403, path);
    t.regex(Told.parse(await response.json()).detail, /currencies:read or events:read/);
  }
  t.like(await openSocket(address, '/ws/events?topic=currencies', headers).closed, { code: 1008 });
  t.like(await openSocket(address, '/ws/currencies', headers).closed, { code: 1008 });
  t.is((await fetch(`${address}/currencies/USD/history`, { headers })).status, 403);
  socket.drop();
});

test('of a table of the operator’s own a token that may not see it learns nothing, not even its name', async t => {
  const { owner, address } = await start(t);
  await owner.query('CREATE TABLE plans (id integer PRIMARY KEY)');
  await owner.query(`SELECT feed.watch('plans', 'secret_plans', 'secret_plan')`);
  const headers = bearing(await makeToken(owner, ['tasks:read']));
  const ask = async (path: string) => {
    const response = await fetch(`${address}${path}`, { headers });
    return [
      response.status,
      (await response.text()).replaceAll(/nosuch|secret_plans?(_created)?|"request_id":"[^"]*"/g, '…'),
    ];
  };
  for (const [real, none] of [
    ['/events?topic=secret_plans', '/events?topic=nosuch'],
    ['/events?type=secret_plan_created', '/events?type=nosuch'],
    ['/streams/secret_plans', '/streams/nosuch'],
  ] as const) {
    const [told, other] = [await ask(real), await ask(none)];
    t.deepEqual(told, other);
    t.false(String(await fetch(`${address}${none}`, { headers }).then(each => each.text())).includes('plan'));
  }
  for (const name of ['constructor', '__proto__', 'toString'])
    t.is((await ask(`/events?topic=${name}`))[0], 400, name);
  const seen = bearing(await makeToken(owner, ['events:read']));
  t.is((await fetch(`${address}/events?topic=secret_plans`, { headers: seen })).status, 200);
});

test('a page of events that never changes may be kept by the client that asked, not by what stands between', async t => {
  const { owner, address } = await start(t);
  await owner.query(`INSERT INTO tasks (title) VALUES ('a'), ('b')`);
  const [all, some] = [await makeToken(owner, ['events:read']), await makeToken(owner, ['tasks:read'])];
  const socket = openSocket(address, '/ws/tasks?after=0', bearing(all));
  const { log } = await socket.next();
  await socket.events(2);
  socket.drop();
  const page = async (token: typeof all) => {
    const { headers } = await fetch(`${address}/events?after=0&limit=2&log=${log}`, {
      headers: bearing(token),
    });
    return { cache: headers.get('cache-control'), vary: headers.get('vary'), etag: headers.get('etag') };
  };
  const [wide, narrow] = [await page(all), await page(some)];
  t.is(wide.cache, 'private, max-age=31536000, immutable');
  t.regex(wide.vary ?? '', /Authorization/);
  t.not(wide.etag, narrow.etag);
});

test('a browser’s socket sends its token as a subprotocol, in whichever order, and is answered the other one', async t => {
  const { owner, address } = await start(t);
  const { text } = await makeToken(owner, ['tasks:read']);
  for (const protocols of [
    ['taskwire.v1', `bearer.${text}`],
    [`bearer.${text}`, 'taskwire.v1'],
  ]) {
    const socket = openSocket(address, '/ws/tasks', {}, protocols);
    t.is((await socket.next()).type, 'ready');
    t.is(socket.raw.protocol, 'taskwire.v1');
    socket.drop();
  }
  for (const [headers, protocols] of [
    [{ Authorization: `Bearer ${text}` }, ['taskwire.v1', `bearer.${text}`]],
    [{}, ['taskwire.v1', 'bearer.x']],
    [{}, ['taskwire.v1']],
  ] as const)
    t.is((await openSocket(address, '/ws/tasks', headers, [...protocols]).closed).code, 4401);
});

test('what was begun with a token ends with it: sockets, streams and long polls', async t => {
  const { owner, address } = await start(t);
  const token = await makeToken(owner, ['events:read']);
  const other = await makeToken(owner, ['events:read']);
  const headers = bearing(token);
  const stays = openSocket(address, '/ws/events', bearing(other));
  await stays.next();
  const socket = openSocket(address, '/ws/events', headers);
  await socket.next();
  const stream = await fetch(`${address}/events/stream`, { headers });
  const poll = fetch(`${address}/events?after=0&wait=30`, { headers });
  const sooner = await makeToken(owner, ['events:read'], { seconds: 2 });
  const expiring = openSocket(address, '/ws/events', bearing(sooner));
  await owner.query('UPDATE tokens SET revoked_at = now() WHERE id = $1', [token.id]);
  t.deepEqual(await socket.closed, {
    code: 4401,
    reason: 'the token was revoked, has expired, or was changed',
  });
  await stream.text(); // to its end
  t.is((await poll).status, 401);
  t.is((await expiring.closed).code, 4401);
  await owner.query(`INSERT INTO tasks (title) VALUES ('x')`);
  t.like(await stays.event(), { type: 'task_created' });
  stays.drop();
});

test('a revocation is heard of on every instance, also where the listener hears nothing any more', async t => {
  const database = await createTestDatabase();
  t.teardown(() => database.drop());
  const owner = await database.psql();
  const cable = await createCable(new URL(database.url));
  const deaf = createTestInstance(database.url, AUTH, undefined, cable.through(database.url));
  await deaf.start();
  t.teardown(() => deaf.stop());
  const hearing = await startInstance(database.url, AUTH);
  t.teardown(() => hearing.stop());
  for (const silence of ['cut', 'stall'] as const) {
    const token = await makeToken(owner, ['tasks:read']);
    const open = async (address: string) => {
      const socket = new WebSocket(`${address.replace('http', 'ws')}/ws/tasks`, { headers: bearing(token) });
      const closed = new Promise<number>(resolve => socket.on('close', resolve));
      await new Promise(resolve => socket.once('message', resolve));
      return { closed };
    };
    const sockets = await Promise.all(
      [deaf, hearing].flatMap(({ address }) => Array.from({ length: 25 }, () => open(address))),
    );
    cable[silence]();
    await owner.query('UPDATE tokens SET revoked_at = now() WHERE id = $1', [token.id]);
    t.deepEqual(new Set(await Promise.all(sockets.map(({ closed }) => closed))), new Set([4401]), silence);
    if (silence === 'cut') cable.mend();
    else cable.unstall();
  }
});
