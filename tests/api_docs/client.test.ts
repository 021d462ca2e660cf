// A client that somebody else's generator makes of the OpenAPI document compiles, and works.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import anyTest, { type TestFn } from 'ava';
import { generate, HttpClient } from 'openapi-typescript-codegen';
import { conformanceAt } from '../helpers/conformance.ts';
import { type Context, withInstance } from '../helpers/instance.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

// Below node_modules, where the compiler finds the types of Node.
async function makeFolder(): Promise<string> {
  const parent = join(ROOT, 'node_modules/.cache');
  await mkdir(parent, { recursive: true });
  return mkdtemp(join(parent, 'client-'));
}

async function compile(folder: string): Promise<void> {
  const compilerOptions = {
    strict: true,
    target: 'es2024',
    module: 'commonjs',
    moduleResolution: 'bundler',
    types: ['node'],
    rootDir: 'source',
    outDir: 'out',
  };
  await writeFile(join(folder, 'package.json'), '{ "type": "commonjs" }');
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['source'] }));
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '--project', folder]).catch(({ stdout }) => {
    throw new Error(`it does not compile: ${stdout}`);
  });
}

test('a generated client compiles, and creates, reads, changes, lists and deletes a task', async t => {
  t.timeout(60_000);
  const { address } = t.context.instance;
  const { document } = await conformanceAt(address);
  const folder = await makeFolder();
  t.teardown(() => rm(folder, { recursive: true }));
  await generate({
    input: document,
    output: join(folder, 'source'),
    httpClient: HttpClient.FETCH,
    useOptions: true,
  });
  await compile(folder);
  const { OpenAPI, TasksService, ApiError } = createRequire(import.meta.url)(join(folder, 'out/index.js'));
  OpenAPI.BASE = address;

  const requestBody = { title: 'made by a generated client', labels: ['a', 'b'] };
  const made = await TasksService.createTask({ requestBody });
  t.like(made, { ...requestBody, version: 1 });
  t.deepEqual(await TasksService.showTask({ id: made.id }), made);
  const change = { id: made.id, ifMatch: '"1"', requestBody: { status: 'done' } };
  t.like(await TasksService.updateTask(change), { status: 'done', version: 2 });
  const stale = await t.throwsAsync(TasksService.updateTask(change), { instanceOf: ApiError });
  t.like(stale, { status: 412, body: { type: '/problems/stale' } });
  const { data } = await TasksService.listTasks({ limit: 5 });
  t.deepEqual(
    data.map(({ id }: { id: string }) => id),
    [made.id],
  );
  t.is(await TasksService.deleteTask({ id: made.id }), undefined);
  const gone = await t.throwsAsync(TasksService.showTask({ id: made.id }), { instanceOf: ApiError });
  t.like(gone, { status: 404, body: { type: '/problems/not-found' } });
});
