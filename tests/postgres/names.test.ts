// The names of a service in its database: the default's are the text itself, another's leave nothing of the default's.
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { isServiceName, renameSql, schemasOf } from '../../src/postgres/names.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DEFAULT_NAMES = /\b(public|feed|graphile_worker)\b|taskwire(?!\.\w)/;

/** Every file of SQL, with its path. */
async function readSql(): Promise<[path: string, text: string][]> {
  const all = await Promise.all(
    ['migrations', 'sql'].map(folder => readdir(`${ROOT}/${folder}`, { recursive: true })),
  );
  const paths = all.flatMap((names, index) => names.map(name => `${['migrations', 'sql'][index]}/${name}`));
  const files = paths.filter(path => path.endsWith('.sql'));
  return Promise.all(files.map(async path => [path, await readFile(`${ROOT}/${path}`, 'utf8')]));
}

test('for the service with the default name all SQL is sent as it is written', async t => {
  for (const [path, text] of await readSql()) t.is(renameSql('taskwire', text), text, path);
});

test('for another service no default name is left in any SQL file', async t => {
  const files = await readSql();
  t.true(files.length > 30);
  for (const [path, text] of files) {
    t.regex(text, /\b(public|feed)\b|taskwire/, path);
    t.notRegex(renameSql('shop', text), DEFAULT_NAMES, path);
  }
});

test('names are replaced as whole words; PUBLIC, which is everybody, stays', t => {
  const text = `REVOKE ALL ON SCHEMA feed FROM PUBLIC; GRANT taskwire_app TO x; CREATE TRIGGER "00_feed_capture" ON public.tasks`;
  t.is(
    renameSql('shop', text),
    `REVOKE ALL ON SCHEMA shop_feed FROM PUBLIC; GRANT shop_app TO x; CREATE TRIGGER "00_feed_capture" ON shop.tasks`,
  );
  t.is(
    renameSql('shop', `'taskwire', 'taskwire.origin'`),
    `'shop', 'taskwire.origin'`,
    'a setting is no name',
  );
});

test('no two services that may exist share a schema', t => {
  const names = [
    'taskwire',
    'shop',
    'shop_feed',
    'shop_worker',
    'graphile',
    'graphile_worker',
    'feed',
    'public',
    'pg',
    'taskwire_app',
  ];
  const schemas = names.filter(isServiceName).flatMap(name => Object.values(schemasOf(name)));
  t.is(new Set(schemas).size, schemas.length);
  t.deepEqual(names.filter(isServiceName), ['taskwire', 'shop']);
});

test('every query in src/ names its tables and functions with their schema', async t => {
  const files = (await readdir(`${ROOT}/src`, { recursive: true })).filter(name => name.endsWith('.ts'));
  const bare =
    /\b(?:FROM|INTO|UPDATE|JOIN) (?:ONLY )?(?:tasks|runs|imports)\b|\bSELECT \w+_(?:run|runs|task)\(/;
  const queries = files.filter(name => !name.endsWith('sql.ts')); // its usage shows what a person writes
  const texts = await Promise.all(queries.map(name => readFile(`${ROOT}/src/${name}`, 'utf8')));
  t.deepEqual(
    texts.flatMap(text => text.match(bare) ?? []),
    [],
  );
});
