// Who may import whom in src/. The arrows all point one way: nothing in http/ can reach a socket, so what a client
// hears has come out of PostgreSQL.
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const SRC = fileURLToPath(new URL('../src', import.meta.url));
const TESTS = fileURLToPath(new URL('.', import.meta.url));
// What every room may stand on: a file or folder that knows nothing of the service's parts.
const LEAVES = [
  'errors.ts',
  'events.ts',
  'lifecycle.ts',
  'logger.ts',
  'outage.ts',
  'runbook.ts',
  'scopes.ts',
  'within.ts',
  'parsing',
  'version.ts',
];
const DATABASE = ['postgres', 'queries'];
const ANYTHING = ['*'];
// The client runs elsewhere: it knows what these say of rows and events, as types.
const CLIENT_TYPES = [
  'events.ts',
  'http/tasks/task_fields.ts',
  'http/currencies/currency_fields.ts',
  'http/runs/run_fields.ts',
];
// They hand their own environment on to the processes they start.
const PARENTS = ['embedded/binaries.ts', 'embedded/process.ts'];

// A room is a file or a folder of src/. It may import itself and what stands here: a folder's name allows all of it, a
// file's name that file. A room without a rule fails, and so does a rule without a room.
const MAY_IMPORT: Record<string, string[]> = {
  'errors.ts': [],
  'events.ts': [],
  'lifecycle.ts': [],
  'logger.ts': ['parsing', 'version.ts'],
  'outage.ts': ['logger.ts'],
  'runbook.ts': [],
  'scopes.ts': [],
  'version.ts': [],
  'within.ts': [],
  parsing: [],
  'config.ts': [...LEAVES, 'postgres/names.ts', 'postgres/tls.ts', 'jobs/schedule.ts'],
  metrics: ['runbook.ts', 'version.ts', 'within.ts'],
  web: LEAVES,
  embedded: [...LEAVES, 'postgres/sqlstate.ts'],
  postgres: LEAVES,
  queries: [...LEAVES, 'postgres'],
  access: [...LEAVES, 'queries', 'web'],
  archive: [...LEAVES, 'feed/limiter.ts'],
  retention: [...LEAVES, ...DATABASE, 'archive'],
  doctor: [...LEAVES, ...DATABASE, 'nats/connection.ts'],
  sequencer: [...LEAVES, ...DATABASE],
  relay: [...LEAVES, ...DATABASE, 'feed', 'archive'],
  feed: LEAVES,
  delivery: [...LEAVES, 'web', 'feed'],
  nats: [...LEAVES, 'feed'],
  client: CLIENT_TYPES,
  page: ['client/client.ts'],
  site: [...LEAVES, 'web', 'api_docs/client_script.ts', 'api_docs/static_asset.ts'],
  api_docs: [...LEAVES, 'web', 'http/middleware/problems.ts', 'delivery/frames.ts', 'delivery/parameters.ts'], // what it describes
  http: [...LEAVES, ...DATABASE, 'web'],
  jobs: [...LEAVES, ...DATABASE],
  instance: ANYTHING,
  commands: ANYTHING,
  'main.ts': ANYTHING,
};
// What a client's file is for, and takes from the program that it is used in.
const ADAPTERS: Record<string, string> = { 'client/react.ts': 'react' };
// Where the parts are put together; nothing below may reach up to it.
const COMPOSITION = ['main.ts', 'instance', 'commands'];
const MAY_IMPORT_COMPOSITION: Record<string, string[]> = { 'main.ts': ['instance'] };

interface Import {
  from: string;
  to: string;
}

async function readSources(): Promise<Map<string, string>> {
  const names = (await readdir(SRC, { recursive: true })).filter(name => name.endsWith('.ts'));
  const texts = await Promise.all(names.map(name => readFile(join(SRC, name), 'utf8')));
  return new Map(names.map((name, index) => [name.replaceAll(sep, '/'), texts[index] ?? '']));
}

// `import … from 'x'`, `export … from 'x'`, `import 'x'` and `import('x')`, over several lines too, types as well.
function importsOf(file: string, text: string): string[] {
  const code = text.replace(/^\s*\/\/.*$/gm, '');
  const found = code.matchAll(/(?:^|[;}\s])(?:from|import)\s*\(?\s*(['"])(\.{1,2}\/[^'"]+)\1/g);
  return [...found].map(([, , path]) =>
    relative(SRC, resolve(SRC, dirname(file), path ?? '')).replaceAll(sep, '/'),
  );
}

async function readImports(): Promise<Import[]> {
  const sources = await readSources();
  return [...sources].flatMap(([from, text]) => importsOf(from, text).map(to => ({ from, to })));
}

const roomOf = (file: string) => file.split('/')[0] ?? file;
const describe = ({ from, to }: Import) => `src/${from} imports src/${to}`;

function isAllowed({ from, to }: Import): boolean {
  if (roomOf(from) === roomOf(to)) return true;
  const allowed = MAY_IMPORT[roomOf(from)] ?? [];
  return allowed === ANYTHING || allowed.includes(to) || allowed.includes(roomOf(to));
}

// What is left when everything that imports nothing left is taken away, again and again.
function findCircle(imports: Import[]): string[] {
  const left = imports.filter(({ to }) => imports.some(({ from }) => from === to));
  return left.length < imports.length ? findCircle(left) : left.map(describe);
}

test('every room imports only what it may', async t => {
  const imports = await readImports();
  t.true(imports.length > 50);
  t.deepEqual(imports.filter(each => !isAllowed(each)).map(describe), []);
});

test('the client takes only types from elsewhere, so that it runs without the service', async t => {
  const foreign = [...(await readSources())]
    .filter(([name]) => roomOf(name) === 'client')
    .flatMap(([name, text]) =>
      [...text.matchAll(/^(?:import|export)\b[^;]*?from '([^']+)';/gm)]
        .filter(
          ([statement, path]) =>
            !path?.startsWith('./') && !/^import type\b/.test(statement) && ADAPTERS[name] !== path,
        )
        .map(([statement]) => `${name}: ${statement}`),
    );
  t.deepEqual(foreign, []);
});

test('main alone imports an instance, and nothing imports main or a command', async t => {
  const upward = (await readImports()).filter(
    ({ from, to }) =>
      COMPOSITION.includes(roomOf(to)) &&
      roomOf(from) !== roomOf(to) &&
      !MAY_IMPORT_COMPOSITION[roomOf(from)]?.includes(roomOf(to)),
  );
  t.deepEqual(upward.map(describe), []);
});

test('every room of src has its rule, and every rule its room', async t => {
  const rooms = new Set([...(await readSources()).keys()].map(roomOf));
  t.deepEqual([...rooms].sort(), Object.keys(MAY_IMPORT).sort());
});

test('no room imports itself by way of others, and no file either', async t => {
  const imports = await readImports();
  const between = imports.map(({ from, to }) => ({ from: roomOf(from), to: roomOf(to) }));
  t.deepEqual(findCircle(between.filter(({ from, to }) => from !== to)), []);
  t.deepEqual(findCircle(imports), []);
});

test('every import names a file that is there, with its .ts', async t => {
  const sources = await readSources();
  t.deepEqual((await readImports()).filter(({ to }) => !sources.has(to)).map(describe), []);
});

test('what is exported is imported somewhere', async t => {
  const sources = await readSources();
  const tests = (await readdir(TESTS, { recursive: true })).filter(name => name.endsWith('.ts'));
  const texts = await Promise.all(tests.map(name => readFile(join(TESTS, name), 'utf8')));
  const idle = [...sources].flatMap(([file, text]) =>
    [...text.matchAll(/^export (?:async )?(?:function|const|interface|type|class) (\w+)/gm)]
      .map(([, name]) => name ?? '')
      .filter(name => {
        const named = new RegExp(`\\b${name}\\b`);
        const others = [...sources].filter(([other]) => other !== file).map(([, code]) => code);
        return ![...others, ...texts].some(code => named.test(code));
      })
      .map(name => `${file}: ${name}`),
  );
  t.deepEqual(idle, []);
});

test('settings are read in config.ts alone', async t => {
  const readers = [...(await readSources())].filter(([, text]) =>
    /process\.env\b|\benv\b.*'node:process'/.test(text),
  );
  t.deepEqual(
    readers.map(([name]) => name).filter(name => !PARENTS.includes(name)),
    ['config.ts'],
  );
});
