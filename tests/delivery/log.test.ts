// What an operator reads about a socket once it has ended.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { pino } from 'pino';
import { toEvent } from '../../src/events.ts';
import { logRow } from '../helpers/rows.ts';
import { openSocket } from '../helpers/socket.ts';
import { serveSockets } from '../helpers/socket_app.ts';

test('every socket is one line at its end: who, what, how long, how many events, and why', async t => {
  const lines: Record<string, unknown>[] = [];
  let wake = () => {};
  const write = (line: string) => {
    lines.push(JSON.parse(line));
    wake();
  };
  const line = async (index: number) => {
    while (lines[index] === undefined) await new Promise<void>(resolve => (wake = resolve));
    return lines[index];
  };
  const server = createServer();
  const hub = serveSockets(server, pino({ base: null }, { write }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const served = openSocket(address, '/ws/tasks', { 'X-Request-Id': 'mine' });
  await served.next();
  hub.publish(toEvent(logRow(1)));
  await served.event();
  served.raw.close(1000);
  t.like(await line(0), {
    ...{ msg: 'socket', request_id: 'mine', client: '127.0.0.1', path: '/ws/tasks', events: 1, code: 1000 },
  });
  t.is(typeof lines[0]?.seconds, 'number');

  await openSocket(address, '/ws/tasks?after=x').closed;
  t.like(await line(1), { msg: 'socket', path: '/ws/tasks', events: 0, code: 4400 });
  t.is(typeof lines[1]?.request_id, 'string');
  t.is(lines.length, 2);
});
