// Whatever the service sends is spelled without white space: a tenth of each body, page and frame would be nothing else.
import { once } from 'node:events';
import ava, { type TestFn } from 'ava';
import { WebSocket } from 'ws';
import { senderTo } from '../helpers/http.ts';
import { type Context, withInstance } from '../helpers/instance.ts';
import { hasSpaces } from '../helpers/spelling.ts';
import { until } from '../helpers/until.ts';

const test = ava as TestFn<Context>;
withInstance(test);

const TASK = { title: 'a : b, "c"', description: 'd\n, e : f', labels: ['g , h', 'i : j'] };
const RUN = `
  INSERT INTO runs (kind, status, rejections, finished_at)
  VALUES ('task_generator', 'succeeded', '[{"source": "a : b", "external_id": null, "reason": "c, d"}]', now())
  RETURNING id`;

test.serial('no body of REST has white space outside of its strings', async t => {
  const { instance, database } = t.context;
  const texts: [what: string, text: string][] = [];
  const send = async (method: string, path: string, body?: object) => {
    const answer = await fetch(`${instance.address}${path}`, {
      method,
      headers: { 'Content-Type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    t.true(answer.ok, `${method} ${path}: ${text}`);
    texts.push([`${method} ${path}`, text]);
    return text === '' ? undefined : JSON.parse(text);
  };
  const session = await database.psql();
  const run = (await session.query(RUN)).rows[0].id;

  const { id } = await send('POST', '/tasks', TASK);
  t.like(await send('GET', `/tasks/${id}`), TASK);
  await send('PATCH', `/tasks/${id}`, { title: 'k : l', labels: [] });
  await send('POST', '/tasks/batch', {
    operations: [
      { op: 'create', task: TASK },
      { op: 'update', id, task: { priority: 'high' } },
    ],
  });
  t.is((await send('GET', '/tasks?limit=200')).data.length, 2);
  t.is((await send('GET', `/tasks/${id}/history`)).data.length, 3);
  await send('DELETE', `/tasks/${id}`);
  await send('POST', `/tasks/${id}/restore`);
  const { position } = (await send('GET', `/tasks/${id}/history`)).data.at(-1); // numbered by then
  await send('GET', '/events?after=0');
  await send('GET', `/tasks?as_of=${position}`);
  await send('GET', `/tasks/${id}?as_of=${position}`);
  await send('POST', '/currencies', { currency: 'USD', name: 'a : b', rate: '83.5173' });
  await send('PATCH', '/currencies/USD', { rate: '84' });
  for (const path of ['', '/USD', '/USD/history', '/USD/rates', '/convert?from=USD&to=RUB'])
    await send('GET', `/currencies${path}`);
  for (const path of ['', '/runs', `/runs/${run}`]) await send('GET', `/task-generator${path}`);

  for (const [what, text] of texts) t.false(hasSpaces(text), `${what}: ${text}`);
});

test.serial(
  'no frame of a socket has white space outside of its strings, nor has an event of a stream',
  async t => {
    const { instance, database } = t.context;
    const session = await database.psql();
    await session.query(`
    CREATE TYPE part AS (name text, costs numeric[]);
    CREATE TABLE own (id integer PRIMARY KEY, parts part[]);
    SELECT feed.watch('own', topic => 'own', entity => 'thing')`);
    await session.query(`INSERT INTO own VALUES (1, ARRAY[ROW('a : b', '{1.50,2}')::part])`);
    const created = await senderTo(instance.address)('POST', '/tasks', TASK);
    t.is(created.status, 201);

    const socket = new WebSocket(`${instance.address.replace('http', 'ws')}/ws/events?snapshot=true`);
    const frames: string[] = [];
    socket.on('message', data => frames.push(String(data)));
    await once(socket, 'message');
    const stream = await fetch(`${instance.address}/events/stream`);
    await session.query(`UPDATE own SET parts[1].costs = '{3,4}'; UPDATE tasks SET title = title || ' , m'`);
    await until(() => frames.some(frame => frame.includes('"task_updated"')));
    socket.terminate();
    t.true(frames.some(frame => frame.includes('{"name":"a : b","costs":["3","4"]}')));
    t.true(frames.some(frame => frame.includes('"type":"snapshot"')));
    for (const frame of frames) t.false(hasSpaces(frame), frame);

    let text = '';
    for await (const chunk of stream.body ?? []) {
      text += Buffer.from(chunk).toString();
      if (/"task_updated".*\n\n/.test(text)) break;
    }
    const lines = text.split('\n').filter(line => line.startsWith('data: '));
    t.true(lines.length > 2);
    for (const line of lines) t.false(hasSpaces(line.slice('data: '.length)), line);
  },
);
