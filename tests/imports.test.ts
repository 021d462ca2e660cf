// Who may import whom in src/. The arrows all point one way: nothing in http/ can reach a socket, so what a client
// hears has come out of PostgreSQL.
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const SRC = fileURLToPath(new URL('../src', import.meta.url));
const LEAVES = [
  'entity_tag.ts',
  'errors.ts',
  'events.ts',
  'exact_json.ts',
  'lifecycle.ts',
  'logger.ts',
  'moment.ts',
  'operation.ts',
  'origins.ts',
  'query.ts',
  'rate.ts',
  'settle_within.ts',
  'twin_keys.ts',
  'white_space.ts',
];
// A subscription and what it is opened with: the hub, the log, a filter, a snapshot; not how events get there.
const SUBSCRIBING = ['subscription', 'hub', 'log_reader', 'filter', 'snapshot'].map(
  name => `feed/${name}.ts`,
);
const ANYTHING = ['*'];
// They hand their own environment on to the processes they start.
const PARENTS = ['database/embedded/binaries.ts', 'database/embedded/process.ts'];

// A part is a file or a folder of src/. It may import itself and what stands here: a folder's name allows all of it, a
// file's name that file. A new part needs a line.
const MAY_IMPORT: Record<string, string[]> = {
  ...Object.fromEntries(LEAVES.map(leaf => [leaf, []])),
  'operation.ts': ['errors.ts', 'events.ts'], // types
  'config.ts': [...LEAVES, 'database/names.ts'],
  'metrics.ts': ['nats_metrics.ts'],
  'nats_metrics.ts': [],
  'listening.ts': LEAVES,
  'readiness.ts': [...LEAVES, 'database'],
  'migrate.ts': [...LEAVES, 'database'],
  database: LEAVES,
  feed: [...LEAVES, 'database'],
  sockets: [...LEAVES, ...SUBSCRIBING],
  nats: [...LEAVES, ...SUBSCRIBING],
  page: [],
  documents: [...LEAVES, 'http/problems.ts', 'sockets/frames.ts', 'sockets/parameters.ts'], // what they describe
  http: [...LEAVES, 'database'],
  jobs: [...LEAVES, 'database'],
  'door.ts': ANYTHING,
  'broker.ts': ANYTHING,
  'api.ts': ANYTHING,
  'service.ts': ANYTHING,
  commands: ANYTHING,
  'main.ts': ANYTHING,
};
const PARTS_OF_SERVICE = ['door.ts', 'broker.ts', 'api.ts'];
const COMPOSITION = ['main.ts', 'service.ts', ...PARTS_OF_SERVICE, 'commands'];
const MAY_IMPORT_COMPOSITION: Record<string, string[]> = {
  'main.ts': ['service.ts'],
  'service.ts': PARTS_OF_SERVICE,
};

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

const partOf = (file: string) => file.split('/')[0] ?? file;
const describe = ({ from, to }: Import) => `src/${from} imports src/${to}`;

function isAllowed({ from, to }: Import): boolean {
  if (partOf(from) === partOf(to)) return true;
  const allowed = MAY_IMPORT[partOf(from)] ?? [];
  return allowed === ANYTHING || allowed.includes(to) || allowed.includes(partOf(to));
}

test('every part imports only what it may', async t => {
  const imports = await readImports();
  t.true(imports.length > 50);
  t.deepEqual(imports.filter(each => !isAllowed(each)).map(describe), []);
});

test('nobody but main and the service imports the composition, and nobody imports main or a command', async t => {
  const upward = (await readImports()).filter(
    ({ from, to }) =>
      COMPOSITION.includes(partOf(to)) &&
      partOf(from) !== partOf(to) &&
      !MAY_IMPORT_COMPOSITION[partOf(from)]?.includes(partOf(to)),
  );
  t.deepEqual(upward.map(describe), []);
});

test('every part of src has its rule', async t => {
  const parts = new Set([...(await readSources()).keys()].map(partOf));
  t.deepEqual(
    [...parts].filter(part => !(part in MAY_IMPORT)),
    [],
  );
});

test('every import names a file that is there, with its .ts', async t => {
  const sources = await readSources();
  t.deepEqual((await readImports()).filter(({ to }) => !sources.has(to)).map(describe), []);
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
