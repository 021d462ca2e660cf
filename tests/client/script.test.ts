// GET /client.js: what a page gets.
import anyTest, { type TestFn } from 'ava';
import { type Context, withInstance } from '../helpers/instance.ts';
import { until } from '../helpers/until.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

test('the service serves its client as one module without types, which works as it is', async t => {
  const { address } = t.context.instance;
  const response = await fetch(`${address}/client.js`);
  t.is(response.headers.get('content-type'), 'text/javascript; charset=utf-8');
  const script = await response.text();
  t.false(/\bfrom '|import\(|\binterface\b/.test(script));
  const { connect, Problem, ...others } = await import(`data:text/javascript,${encodeURIComponent(script)}`);
  t.deepEqual(Object.keys(others), []);
  const client = connect({ url: address });
  t.teardown(client.close);
  const open = client.collection('tasks');
  t.teardown(open.subscribe(() => {}));
  await open.ready;
  await client.tasks.create({ title: 'by the script' });
  await until(() => open.items.length === 1);
  t.true((await t.throwsAsync(client.tasks.create({ title: '' }))) instanceof Problem);
  const again = await fetch(`${address}/client.js`, {
    headers: { 'If-None-Match': response.headers.get('etag') ?? '' },
  });
  t.is(again.status, 304);
});
