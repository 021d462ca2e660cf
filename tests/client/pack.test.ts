// What `npm pack` makes: a package that a program in JavaScript or TypeScript can use without the service's source.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const PROGRAM = `
import { connect, type Task, type TaskwireEvent } from 'taskwire/client';
import { useCollection } from 'taskwire/react';
import { taskwireCollectionOptions } from 'taskwire/tanstack-db';

const client = connect({ url: 'http://127.0.0.1:8000', token: async () => 'twk_' });
const open = client.collection('tasks', { where: { status: ['todo'] }, sort: '-priority' });
const titles: string[] = open.items.map(({ title }) => title);
const rates: string[] = client.collection('currencies').items.map(({ rate }) => rate);
const own: unknown[] = client.collection('orders').items.map(({ total }) => total);

export async function tell(event: TaskwireEvent): Promise<string> {
  if (event.type === 'task_updated') return event.data.previous.title ?? event.data.task.title;
  if (event.type === 'run_failed') return event.data.run.error ?? '';
  for await (const { data, type } of client.events({ topic: 'currencies' }))
    if (type === 'currency_created') return data.currency.rate;
  const task: Task = await client.tasks.create({ title: 'x', priority: 'high' });
  await client.tasks.update(task.id, { status: 'done' }, { version: task.version });
  // @ts-expect-error there is no such status
  await client.tasks.update(task.id, { status: 'finished' });
  return useCollection(client, 'tasks').items[0]?.title ?? taskwireCollectionOptions(client, 'tasks').id ?? '';
}
console.log(typeof client.close, titles, rates, own);
`;

test('the packed client is used by its types, and runs, with nothing of the service', async t => {
  t.timeout(120_000);
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-packed-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const env = { ...process.env, npm_config_cache: join(folder, 'cache') };
  await run('npm', ['run', '--silent', 'prepack'], { cwd: ROOT, env });
  const { stdout } = await run('npm', ['pack', './dist', '--json', '--pack-destination', folder], {
    cwd: ROOT,
    env,
  });
  const [{ filename }] = JSON.parse(stdout);
  const modules = join(folder, 'node_modules');
  await mkdir(join(modules, 'taskwire'), { recursive: true });
  await run('tar', ['-xzf', join(folder, filename), '-C', join(modules, 'taskwire'), '--strip-components=1']);
  for (const name of ['react', '@types', '@tanstack', 'csstype', '@standard-schema', 'undici-types'])
    await symlink(join(ROOT, 'node_modules', name), join(modules, name));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'program.ts'), PROGRAM);
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  const flags = '--strict --target es2022 --lib es2023,dom --module nodenext --types node program.ts';
  await t.notThrowsAsync(
    run(process.execPath, [compiler, ...flags.split(' ')], { cwd: folder }).catch(error => {
      throw new Error(error.stdout);
    }),
  );
  const ran = await run(process.execPath, ['program.js'], { cwd: folder });
  t.is(ran.stdout, 'function [] [] []\n');
});
