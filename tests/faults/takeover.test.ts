// The leader goes, in every way that it can: another instance numbers what is committed from then on, and every socket
// has every event once.
import test, { type ExecutionContext } from 'ava';
import { type Cable, createCable } from '../helpers/cable.ts';
import { createTestDatabase } from '../helpers/database.ts';
import { startInstance } from '../helpers/instance.ts';
import { type InstanceProcess, startLeader } from '../helpers/instance_process.ts';
import { openSocket } from '../helpers/socket.ts';

interface Leader extends InstanceProcess {
  cable: Cable;
}

const WAYS: Record<string, (leader: Leader) => unknown> = {
  'it stops in order': ({ child }) => child.kill('SIGTERM'),
  'it is killed': ({ child }) => child.kill('SIGKILL'),
  'its connections are cut': ({ cable }) => cable.cut(),
  'its connections stall': ({ cable }) => cable.stall(),
  'its connections are stranded, and new ones come through': ({ cable }) => cable.strand(),
};

async function begin(t: ExecutionContext) {
  const database = await createTestDatabase();
  const cable = await createCable(new URL(database.url));
  const leader = { ...(await startLeader(t, cable.through(database.url))), cable };
  const instances = [await startInstance(database.url), await startInstance(database.url)];
  const sockets = instances.map(({ address }) => openSocket(address, '/ws/tasks'));
  for (const socket of sockets) await socket.next();
  const psql = await database.psql();
  const insert = () => psql.query(`INSERT INTO tasks (title) VALUES ('a task')`);
  const end = async () => {
    for (const socket of sockets) socket.drop();
    for (const instance of instances) await instance.stop();
    leader.child.kill('SIGKILL');
    cable.cut();
    await database.drop();
  };
  return { leader, sockets, psql, insert, end };
}

for (const [name, lose] of Object.entries(WAYS)) {
  test(`the leader is lost: ${name}. Another goes on where it was`, async t => {
    const { leader, sockets, psql, insert, end } = await begin(t);
    await insert();
    for (const socket of sockets) t.is((await socket.event()).position, 1);
    await lose(leader);
    for (let count = 0; count < 3; count++) await insert();
    for (const socket of sockets) {
      const events = await socket.events(3);
      t.deepEqual(
        events.map(event => event.position),
        [2, 3, 4],
      );
    }
    t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);
    await end();
  });
}
