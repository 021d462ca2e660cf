// The address leads to another server: a standby that takes over, with what had reached it. Instances wait while it is a
// standby, go on when it is promoted, and reset clients who may have seen what it lacks.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { closeSession, openSession } from '../../src/postgres/session.ts';
import { createCable } from '../helpers/cable.ts';
import { SERVICE } from '../helpers/database.ts';
import { read } from '../helpers/http.ts';
import { startInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';
import { startPair } from '../helpers/standby.ts';
import { until } from '../helpers/until.ts';

const INSERT = 'INSERT INTO tasks (title) VALUES ($1)';

test('the address leads to a standby, which is then promoted: instances wait, go on, and reset their clients', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-failover-'));
  const { primary, standby } = await startPair(folder);
  const cable = await createCable(new URL(primary.url));
  const instances = [
    await startInstance(cable.through(primary.url)),
    await startInstance(cable.through(primary.url)),
  ];
  const sockets = instances.map(({ address }) => openSocket(address, '/ws/tasks'));
  const [{ log } = { log: '' }] = await Promise.all(sockets.map(socket => socket.next()));
  const before = await openSession({ service: SERVICE, url: primary.url, name: 'test' });
  await before.query(INSERT, ['before']);
  for (const socket of sockets) t.is((await socket.event()).position, 1);
  const replica = await openSession({ service: SERVICE, url: standby.url, name: 'test' });
  await until(async () => (await replica.query('SELECT FROM feed.events')).rowCount);

  cable.cut();
  await closeSession(before);
  await primary.stop();
  cable.leadTo(new URL(standby.url));
  cable.mend();
  for (const { address } of instances) {
    const reasons = await until(
      async () => (await read(await fetch(`${address}/health/ready`))).body.reasons,
      found => found?.includes('the listener does not listen'),
    );
    t.true(reasons.includes('the database is away; try again'), reasons.join());
    const answer = await fetch(`${address}/tasks`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ title: 'refused' }),
    });
    t.is(answer.status, 503);
  }
  await replica.query('SELECT pg_promote()');
  await replica.query(INSERT, ['after']);
  for (const socket of sockets) {
    t.like(await until(socket.next, frame => frame.type === 'reset'), { reason: 'other_log' });
    t.is((await socket.closed).code, 4410);
  }
  for (const { address } of instances) {
    await until(async () => (await fetch(`${address}/health/ready`)).status === 200);
    const socket = openSocket(address, '/ws/tasks?after=0');
    t.not((await socket.next()).log, log);
    t.deepEqual(
      (await socket.events(2)).map(event => [event.position, event.data?.task?.title]),
      [
        [1, 'before'],
        [2, 'after'],
      ],
    );
    socket.drop();
  }
  t.deepEqual((await replica.query('SELECT * FROM feed.verify()')).rows, []);
  await closeSession(replica);
  for (const instance of instances) await instance.stop();
  cable.cut();
  await standby.stop();
  await rm(folder, { recursive: true });
});
