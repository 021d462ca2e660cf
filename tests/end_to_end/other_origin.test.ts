// A page of another origin, in a real browser: refused, and let in once its origin is named.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import anyTest, { type TestFn } from 'ava';
import { type PageContext, withBrowser } from '../helpers/browser.ts';
import { startInstance } from '../helpers/instance.ts';
import { makeToken } from '../helpers/tokens.ts';

const test = anyTest as TestFn<PageContext>;
const it = withBrowser(test);

/** What a page sees of the service: by REST, reading and writing, and by a socket. */
async function ask({ address, token }: { address: string; token: string }): Promise<Record<string, unknown>> {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const tried = async (init: object) => {
    try {
      const response = await fetch(`${address}/tasks`, { headers, ...init });
      return [response.status, response.headers.get('x-request-id') !== null, response.headers.get('etag')];
    } catch {
      return 'refused';
    }
  };
  const socket = new Promise(resolve => {
    const opened = new WebSocket(`${address.replace('http', 'ws')}/ws/tasks`, [
      'taskwire.v1',
      `bearer.${token}`,
    ]);
    opened.onmessage = ({ data }) => resolve(JSON.parse(data).type);
    opened.onclose = ({ code }) => resolve(code);
  });
  return {
    list: await tried({}),
    create: await tried({ method: 'POST', body: '{"title":"from elsewhere"}' }),
    socket: await socket,
  };
}

it('a page of another origin reads nothing, changes nothing and hears nothing, until ALLOWED_ORIGINS names it', async t => {
  const { database, browser } = t.context;
  const elsewhere = createServer((_request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end('<!doctype html><title>another page</title>');
  });
  elsewhere.listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  t.teardown(() => elsewhere.close());
  const origin = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
  const owner = await database.psql();
  const { text: token } = await makeToken(owner, ['tasks:read', 'tasks:write']);
  const page = await browser.newPage();
  t.teardown(() => page.close());
  await page.goto(origin);

  const closed = await startInstance(database.url, { AUTH: 'token' });
  t.teardown(() => closed.stop());
  t.deepEqual(await page.evaluate(ask, { address: closed.address, token }), {
    list: 'refused',
    create: 'refused',
    socket: 1008,
  });
  t.is((await owner.query('SELECT FROM tasks')).rowCount, 0);

  const open = await startInstance(database.url, { AUTH: 'token', ALLOWED_ORIGINS: origin });
  t.teardown(() => open.stop());
  t.deepEqual(await page.evaluate(ask, { address: open.address, token }), {
    list: [200, true, null],
    create: [201, true, '"1"'],
    socket: 'ready',
  });
});
