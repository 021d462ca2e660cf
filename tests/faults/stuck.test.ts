// A leader that lives but does nothing: another instance takes over, by itself.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { createTestDatabase } from '../helpers/database.ts';
import { startInstance } from '../helpers/instance.ts';
import { openSocket } from '../helpers/socket.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

test('a stopped leader is replaced: events go on at the others, and at its own once it goes on', async t => {
  const database = await createTestDatabase();
  const child = spawn(process.execPath, ['src/main.ts'], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, DATABASE_URL: database.url, PORT: '0', GENERATOR_CRON: 'off' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let [address, leads] = ['', false];
  for await (const line of createInterface({ input: child.stdout })) {
    address ||= /the API is at (http:[^"]+)/.exec(line)?.[1] ?? '';
    leads ||= line.includes('leading');
    if (address && leads) break;
  }
  child.stdout.resume();
  const instance = await startInstance(database.url);
  const [here, there] = [openSocket(instance.address, '/ws/tasks'), openSocket(address, '/ws/tasks')];
  await Promise.all([here.next(), there.next()]);

  child.kill('SIGSTOP');
  const psql = await database.psql();
  for (const title of ['one', 'two', 'three'])
    await psql.query('INSERT INTO tasks (title) VALUES ($1)', [title]);
  t.deepEqual(
    (await here.events(3)).map(event => event.position),
    [1, 2, 3],
  );
  child.kill('SIGCONT');
  t.deepEqual(
    (await there.events(3)).map(event => event.position),
    [1, 2, 3],
  );
  here.drop();
  there.drop();
  await instance.stop();
  await database.drop();
});
