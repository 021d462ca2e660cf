// What the service holds for clients that do not read is bounded, whatever they asked for and however much there is.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import anyTest, { type TestFn } from 'ava';
import { type Context, withInstance } from '../helpers/instance.ts';
import { openSocket, type TestSocket } from '../helpers/socket.ts';
import { until } from '../helpers/until.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

const TASKS = 6_000;
const SIZE = 3_000; // bytes of a task: all are some three times what the kernel takes for one connection
const ROOM = 2 * 64 * 1024; // bytes that may wait: a buffer, and what was written when it was nearly full

// The service's side of every connection, by the port of the client's.
const accepted = new Map<number, Socket>();
const remember = (message: unknown) => {
  const { socket } = message as { socket: Socket };
  accepted.set(Number(socket.remotePort), socket);
};
test.before(() => subscribe('net.server.socket', remember));
test.after.always(() => unsubscribe('net.server.socket', remember));

const openStalled = {
  async 'a WebSocket'(address: string) {
    const socket = openSocket(address, '/ws/tasks');
    await socket.next();
    return stalled(socket);
  },
  async 'a filtered WebSocket'(address: string) {
    const socket = openSocket(address, '/ws/tasks?priority=normal&status=todo');
    await socket.next();
    return stalled(socket);
  },
  async 'an event stream'(address: string) {
    const { hostname, port } = new URL(address);
    const socket = connect(Number(port), hostname);
    socket.write('GET /events/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    await once(socket, 'data');
    socket.pause();
    return { service: serviceOf(socket), drop: () => socket.destroy() };
  },
};

function stalled(socket: TestSocket) {
  const { _socket: client } = socket.raw as unknown as { _socket: Socket };
  socket.pause();
  return { service: serviceOf(client), drop: socket.drop };
}

function serviceOf(client: Socket): Socket {
  const socket = accepted.get(Number(client.localPort));
  if (!socket) throw new Error('nobody accepted that connection');
  return socket;
}

test.serial('of what comes live, only so much waits for a client that does not read', async t => {
  const { instance, database } = t.context;
  const clients = [];
  for (const open of Object.values(openStalled)) clients.push(await open(instance.address));
  const reader = openSocket(instance.address, '/ws/tasks');
  await reader.next();
  const psql = await database.psql();
  await psql.query(`INSERT INTO tasks (title, description)
    SELECT 'large', repeat('x', ${SIZE}) FROM generate_series(1, ${TASKS})`);
  await reader.events(TASKS);
  for (const [index, { service }] of clients.entries()) {
    await until(() => service.writableLength > 0);
    t.true(service.writableLength < ROOM, `${Object.keys(openStalled)[index]}: ${service.writableLength}`);
  }
  for (const { drop } of [...clients, reader]) drop();
});

test.serial('of a snapshot, only so much waits for a client that does not read', async t => {
  const { instance } = t.context;
  const socket = openSocket(instance.address, '/ws/tasks?snapshot=true');
  await socket.next();
  const { service, drop } = stalled(socket);
  // Pages are read in turn: when this one has everything, the other could have had it, too.
  const reader = openSocket(instance.address, '/ws/tasks?snapshot=true');
  for (;;) {
    const frame = (await reader.next()) as { last?: boolean };
    if (frame.last) break;
  }
  await until(() => service.writableLength > 0);
  t.true(service.writableLength < ROOM, String(service.writableLength));
  drop();
  reader.drop();
});
