// npm pack: what a program that uses the client gets, into dist/. Node takes no types under node_modules, so there they
// stand beside the code; they name nothing of the service, and so need nothing of what it is built with.
import { execFile } from 'node:child_process';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import { bundle, withoutTypes } from '../api_docs/client_script.ts';
import { EventEnvelope } from '../events.ts';
import { Currency } from '../http/currencies/currency_fields.ts';
import { Run } from '../http/runs/run_fields.ts';
import { NewTask, Task, TaskPatch } from '../http/tasks/task_fields.ts';
import { typeScriptOf } from './schema_types.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CLIENT = join(ROOT, 'src/client');
const DIST = join(ROOT, 'dist');
const ADAPTERS = ['react', 'tanstack_db'];
// What types.ts takes from the service's schemas, by the names that it gives them.
const SCHEMAS = {
  Task: [Task, 'output'],
  NewTask: [NewTask, 'input'],
  TaskPatch: [TaskPatch, 'input'],
  Currency: [Currency, 'output'],
  Run: [Run, 'output'],
  EventEnvelope: [EventEnvelope, 'output'],
} as const;

await rm(DIST, { recursive: true, force: true });
await emitTypes();
await writeFile(join(DIST, 'client.js'), await bundle(new URL('../client/client.ts', import.meta.url)));
for (const name of ADAPTERS)
  await writeFile(join(DIST, `${name}.js`), withoutTypes(await readSource(`${name}.ts`)));
await writeManifest();

function readSource(name: string): Promise<string> {
  return readFile(join(CLIENT, name), 'utf8');
}

// The compiler writes them, of a copy in which the schemas' types are spelled out.
async function emitTypes(): Promise<void> {
  const folder = join(DIST, 'source');
  try {
    await cp(CLIENT, folder, { recursive: true });
    await writeFile(join(folder, 'types.ts'), withoutSchemas(await readSource('types.ts')));
    const flags =
      '--declaration --emitDeclarationOnly --target es2022 --lib es2023 --types node --module nodenext';
    const strict = '--strict --skipLibCheck --allowImportingTsExtensions --ignoreConfig';
    const entries = ['client.ts', ...ADAPTERS.map(name => `${name}.ts`)];
    const compiler = join(dirname(fileURLToPath(import.meta.resolve('typescript/package.json'))), 'bin/tsc');
    const words = [compiler, ...`${flags} ${strict} --outDir`.split(' '), DIST, ...entries];
    await promisify(execFile)(process.execPath, words, { cwd: folder });
  } finally {
    await rm(folder, { recursive: true });
  }
  for (const name of await readdir(DIST)) {
    const text = await readFile(join(DIST, name), 'utf8');
    await writeFile(
      join(DIST, name),
      text.replaceAll(/'(\.\/\w+)\.ts'/g, `'$1.js'`).replaceAll(/"(\.\/\w+)\.ts"/g, `"$1.js"`),
    );
  }
}

function withoutSchemas(source: string): string {
  let text = source.replaceAll(/^import type [^;]+;$/gm, '');
  for (const [name, [schema, io]] of Object.entries(SCHEMAS)) {
    const written = typeScriptOf(z.toJSONSchema(schema, { io, unrepresentable: 'any' }));
    text = text.replaceAll(new RegExp(`z\\.(?:in|out)put<typeof ${name}(?:Schema)?>`, 'g'), () => written);
  }
  if (/\bz\./.test(text)) throw new Error('a schema of src/client/types.ts is not known here');
  return text;
}

// Of the package as it is when only the client is wanted: without the service's dependencies.
async function writeManifest(): Promise<void> {
  const { name, version, description, license, exports } = JSON.parse(
    await readFile(join(ROOT, 'package.json'), 'utf8'),
  );
  const local = JSON.parse(JSON.stringify(exports).replaceAll('./dist/', './'));
  const manifest = {
    name,
    version,
    description,
    license,
    type: 'module',
    sideEffects: false,
    exports: local,
  };
  await writeFile(join(DIST, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  await cp(join(ROOT, 'LICENSE'), join(DIST, 'LICENSE'));
}
