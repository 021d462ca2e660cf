// The names of a service in its database: the default's are the text itself, another's leave nothing of the default's.
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { bindScript, bindStatement } from '../../src/postgres/bind_names.ts';
import { isServiceName, schemasOf } from '../../src/postgres/names.ts';
import { closeSession, openSession } from '../../src/postgres/session.ts';
import { createTestDatabase } from '../helpers/database.ts';

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

const withoutComments = (text: string) => text.replace(/--.*$/gm, '');

test('for the service with the default name all SQL is sent as it is written', async t => {
  for (const [path, text] of await readSql()) {
    t.is(bindScript('taskwire', text), text, path);
    t.is(bindStatement('taskwire', text), text, path);
  }
});

test('for another service no default name is left in any SQL file, but in comments, which stay', async t => {
  const files = await readSql();
  t.true(files.length > 30);
  for (const [path, text] of files) {
    t.regex(text, /\b(public|feed)\b|taskwire/, path);
    const bound = bindScript('shop', text);
    t.notRegex(withoutComments(bound), DEFAULT_NAMES, path);
    t.deepEqual(bound.match(/--.*$/gm), text.match(/--.*$/gm), path);
  }
});

test('in a file names are bound as whole words, in bodies and literals too; PUBLIC, which is everybody, stays', t => {
  const cases = [
    [
      'REVOKE ALL ON SCHEMA feed FROM PUBLIC; GRANT taskwire_app TO x',
      'REVOKE ALL ON SCHEMA shop_feed FROM PUBLIC; GRANT shop_app TO x',
    ],
    [
      'CREATE TRIGGER "00_feed_capture" ON public.tasks EXECUTE FUNCTION "feed".capture()',
      'CREATE TRIGGER "00_feed_capture" ON shop.tasks EXECUTE FUNCTION "shop_feed".capture()',
    ],
    [`'taskwire', 'taskwire.origin'`, `'shop', 'taskwire.origin'`], // a setting is no name
    [`SET LOCAL taskwire.origin = 'x'`, `SET LOCAL taskwire.origin = 'x'`],
    [
      `AS $$ -- feed\n SELECT feed.stage('public.tasks'), $1 $$; SELECT feed.watch()`,
      `AS $$ -- feed\n SELECT shop_feed.stage('shop.tasks'), $1 $$; SELECT shop_feed.watch()`,
    ],
    [
      `DO $do$ BEGIN EXECUTE 'SELECT feed.x()'; EXECUTE $$ feed.y $$; END $do$`,
      `DO $do$ BEGIN EXECUTE 'SELECT shop_feed.x()'; EXECUTE $$ shop_feed.y $$; END $do$`,
    ],
  ] as const;
  for (const [text, bound] of cases) t.is(bindScript('shop', text), bound);
});

// Each holds names of the default service as data, and ends with one that counts.
const DATA = [
  `SELECT 'taskwire_app feed.events', feed.x()`,
  `SELECT 'it''s feed.events', 'x', feed.x()`,
  String.raw`SELECT E'it\'s '' feed.events \\', feed.x()`,
  String.raw`SELECT e'\\', '\', feed.x()`,
  `SELECT U&'feed.events', B'1', feed.x()`,
  "SELECT $$it's feed.events$$, $a$ $$ feed.events $b$ $a$, $1, feed.x()",
  'SELECT $1 || $2 || a$b, feed.x()',
  `SELECT 1 -- it's feed.events\n, feed.x()`,
  `SELECT 1 /* it's /* feed.events */ feed.events " */, feed.x()`,
  `SELECT 1 AS "feed", 2 AS "it's ""feed.events""", feed.x()`,
  'SELECT "00 row".feed, t.public, feed.x()',
  'SELECT x AS feed, feed_y.z, graphile_worker_x.y, feed.x()',
  `SELECT set_config('taskwire.origin', 'feed', true), feed.x()`,
];

test('in a statement a literal, a comment or an identifier that is no schema stays as it is', t => {
  for (const text of DATA) t.is(bindStatement('shop', text), text.replace(/feed\.x\(\)$/, 'shop_feed.x()'));
});

test('in a statement a schema is bound where it qualifies a name, quoted or not', t => {
  const text = 'SELECT 1 FROM "public"."tasks" JOIN feed . log ON graphile_worker.x = public.y(feed.z(1))';
  const bound = 'SELECT 1 FROM "shop"."tasks" JOIN shop_feed . log ON shop_worker.x = shop.y(shop_feed.z(1))';
  for (let times = 0; times < 2; times++) t.is(bindStatement('shop', text), bound);
  t.is(bindStatement('other', 'SELECT feed.x'), 'SELECT other_feed.x', 'each service has its own');
  t.is(bindStatement('shop', 'SELECT feed.x'), 'SELECT shop_feed.x');
});

test('what a statement leaves open is left to the server to refuse', t => {
  for (const text of [
    `SELECT 'feed.x`,
    'SELECT "feed.x',
    'SELECT $$feed.x',
    'SELECT /* feed.x',
    `SELECT E'feed.x\\`,
  ])
    t.is(bindStatement('shop', text), text);
});

test('more texts than are kept are bound all the same', t => {
  for (let n = 0; n < 2_500; n++)
    t.is(bindStatement('shop', `SELECT feed.x(${n})`), `SELECT shop_feed.x(${n})`);
  const long = `SELECT '${'feed.x '.repeat(100_000)}', feed.x()`;
  t.true(bindStatement('shop', long) === long.replace(/feed\.x\(\)$/, 'shop_feed.x()')); // not t.is: a difference would take minutes to show
});

test('PostgreSQL takes a literal for what it was when another service sends it', async t => {
  const database = await createTestDatabase();
  const session = await openSession({ url: database.url, service: 'shop', name: 'test' });
  t.teardown(async () => {
    await closeSession(session);
    await database.drop();
  });
  const title = 'taskwire_app feed.events';
  const { rows } = await session.query({
    text: `SELECT '${title}' AS literal, E'\\'${title}' AS escaped, $$${title}$$ AS dollars, $1 AS value, 1 AS "feed" -- feed.x`,
    values: [title],
  });
  t.deepEqual(rows, [{ literal: title, escaped: `'${title}`, dollars: title, value: title, feed: 1 }]);
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
