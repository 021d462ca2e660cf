// A client made of the OpenAPI document as README says compiles with the strictest settings, and works.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import anyTest, { type TestFn } from 'ava';
import { type Context, withInstance } from '../helpers/instance.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

// With a TypeScript of its own: the generator needs an older one than the project has.
const PACKAGES = fileURLToPath(new URL('../generated_client/node_modules', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

// What a user writes against the generated types.
const PROGRAM = `
import createClient from 'openapi-fetch';
import type { components, paths } from './taskwire.js';

export async function tell(baseUrl: string) {
  const { GET, POST, PATCH, DELETE } = createClient<paths>({ baseUrl });
  const { data: made, error } = await POST('/tasks', { body: { title: 'made by a generated client' } });
  if (error) throw new Error(error.detail);
  const path = { id: made.id };
  const { data: shown } = await GET('/tasks/{id}', { params: { path } });
  const header = { 'If-Match': '"1"' };
  const change = { params: { path, header }, body: { status: 'done' } } as const;
  const { data: changed } = await PATCH('/tasks/{id}', change);
  const { error: stale } = await PATCH('/tasks/{id}', change);
  const { data: listed } = await GET('/tasks', { params: { query: { limit: 5, status: ['done'] } } });
  const { data: batch } = await POST('/tasks/batch', { body: { operations: [{ op: 'delete', id: made.id }] } });
  const { error: gone } = await DELETE('/tasks/{id}', { params: { path } });
  const { data: page } = await GET('/events', { params: { query: { wait: 5 } } });
  return {
    made, shown, changed, listed: listed?.data.map(({ id }) => id), batch: batch?.data,
    stale: stale?.type, gone: gone?.detail, titles: page?.data.map(titleOf),
  };
}

// By the type of an event its data is known.
function titleOf(event: components['schemas']['Event']): string {
  switch (event.type) {
    case 'task_created':
    case 'task_updated':
    case 'task_deleted':
      return event.data.task.title + (event.data.previous?.status ?? '');
    case 'currency_updated':
      return event.data.currency.rate;
    case 'run_failed':
      return event.data.run.error ?? '';
    default:
      return event.type;
  }
}
`;

// Below node_modules, where the compiler finds the types of Node.
async function makeFolder(): Promise<string> {
  const parent = join(ROOT, 'node_modules/.cache');
  await mkdir(parent, { recursive: true });
  return mkdtemp(join(parent, 'client-'));
}

async function compile(folder: string): Promise<void> {
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    target: 'es2022',
    lib: ['es2022', 'dom', 'dom.iterable'],
    module: 'nodenext',
    types: [],
  };
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  const tsc = join(PACKAGES, 'typescript/bin/tsc');
  await run(process.execPath, [tsc, '--project', folder]).catch(({ stdout }) => {
    throw new Error(`it does not compile: ${stdout}`);
  });
}

test('a client made by openapi-typescript compiles, and creates, reads, changes, lists and deletes a task', async t => {
  t.timeout(60_000);
  const { address } = t.context.instance;
  const folder = await makeFolder();
  t.teardown(() => rm(folder, { recursive: true }));
  const generator = join(PACKAGES, 'openapi-typescript/bin/cli.js');
  const output = join(folder, 'taskwire.d.ts');
  await run(process.execPath, [generator, `${address}/openapi.json`, '--output', output], { cwd: folder });
  await writeFile(join(folder, 'program.ts'), PROGRAM);
  await compile(folder);
  const { tell } = await import(pathToFileURL(join(folder, 'program.js')).href);
  const said = await tell(address);
  t.like(said.made, { title: 'made by a generated client', status: 'todo', labels: [], version: 1 });
  t.deepEqual(said.shown, said.made);
  t.like(said.changed, { id: said.made.id, status: 'done', version: 2 });
  t.deepEqual(said.listed, [said.made.id]);
  t.deepEqual(said.batch, [null]);
  t.is(said.stale, '/problems/stale');
  t.is(said.gone, `there is no task ${said.made.id}`);
  t.deepEqual(said.titles.slice(0, 1), ['made by a generated client']);
});
