// What fits the client into React and TanStack DB, in real apps.
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { createCollection } from '@tanstack/db';
import anyTest, { type TestFn } from 'ava';
import { build } from 'esbuild-wasm';
import type { Task } from '../../src/client/client.ts';
import { taskwireCollectionOptions } from '../../src/client/tanstack_db.ts';
import { clientOf } from '../helpers/client.ts';
import { startChromium } from '../helpers/event_source.ts';
import { type Context, withInstance } from '../helpers/instance.ts';
import { CHROMIUM } from '../helpers/program.ts';
import { until } from '../helpers/until.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

const pathOf = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

async function bundleOf(entry: string, external: string[] = []): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [pathOf(entry)],
    bundle: true,
    minify: true,
    write: false,
    target: 'es2022',
    format: external.length > 0 || entry.startsWith('src') ? 'esm' : 'iife',
    external,
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  return outputFiles[0]?.text ?? '';
}

const SIZES: Record<string, [most: number, external: string[]]> = {
  'src/client/client.ts': [6_000, []],
  'src/client/react.ts': [1_500, ['react']],
  'src/client/tanstack_db.ts': [1_500, ['@tanstack/db']],
};

for (const [entry, [most, external]] of Object.entries(SIZES))
  test(`${entry} costs a page at most ${most} bytes`, async t => {
    const size = gzipSync(await bundleOf(entry, external), { level: 9 }).length;
    t.log(`${size} bytes`);
    t.true(size <= most, `${size}`);
  });

test('a React app in a browser shows what is committed, and its own changes at once', async t => {
  if (!CHROMIUM) {
    if (process.env.CI === 'true') return t.fail('there is no Chromium, and CI must have one');
    t.log('SKIPPED: there is no Chromium');
    return t.pass();
  }
  t.timeout(60_000);
  const { instance, database } = t.context;
  const app = await bundleOf('tests/fixtures/react_app.ts');
  const browser = await startChromium(CHROMIUM, instance.address);
  t.teardown(browser.close);
  await browser.run(app);
  const shown = () => browser.heard.filter(({ source }) => source === 'react').map(({ data }) => data);
  await until(() => shown().at(-1) === ' live live 0');
  const psql = await database.psql();
  await psql.query(`INSERT INTO tasks (title, labels) VALUES ('a of psql', '{app}')`);
  await until(() => shown().at(-1) === 'a of psql live live 0');
  await browser.run(`document.querySelector('#add').click()`);
  await until(() => shown().at(-1) === 'a of psql,by the app live live 0');
  t.deepEqual(shown().slice(-2), ['a of psql,by the app live live 1', 'a of psql,by the app live live 0']);
});

test('a collection of TanStack DB follows the table, and its changes are made by the service', async t => {
  const { instance, database } = t.context;
  const client = clientOf(t as never, instance.address);
  const options = taskwireCollectionOptions(client, 'tasks', { where: { label: 'tanstack' } });
  const tasks = createCollection<Task, string>(options);
  t.teardown(() => tasks.cleanup());
  await tasks.preload();
  const psql = await database.psql();
  const { rows } = await psql.query(
    `INSERT INTO tasks (title, labels) VALUES ('of psql', '{tanstack}') RETURNING id`,
  );
  await until(() => tasks.has(rows[0].id));
  const change = tasks.update(rows[0].id, (draft: { status: string }) => {
    draft.status = 'done';
  });
  t.is(tasks.get(rows[0].id)?.status, 'done');
  await change.isPersisted.promise;
  t.like(tasks.get(rows[0].id), { status: 'done', version: 2 });
  const insertion = tasks.insert({
    id: 'mine',
    title: 'of the app',
    labels: ['tanstack'],
  } as unknown as Task);
  t.is(tasks.size, 2);
  await insertion.isPersisted.promise;
  t.deepEqual(tasks.toArray.map(({ title, version }) => [title, version]).sort(), [
    ['of psql', 2],
    ['of the app', 1],
  ]);
  const refused = tasks.update(rows[0].id, (draft: { title: string }) => {
    draft.title = '';
  });
  await t.throwsAsync(refused.isPersisted.promise);
  t.is(tasks.get(rows[0].id)?.title, 'of psql');
  await tasks.delete(rows[0].id).isPersisted.promise;
  t.is(tasks.size, 1);
});
