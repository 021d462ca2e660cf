// Any resource: what REST has for tasks it has for a table of one's own, by a description of it and nothing else.
import test, { type ExecutionContext } from 'ava';
import { sql } from 'slonik';
import { z } from 'zod';
import { object, readOnly, trimmedText } from '../../src/http/input/fields.ts';
import { createResourceOperations } from '../../src/http/resources/resource_operations.ts';
import { listEntities } from '../../src/queries/entities.ts';
import type { Resource } from '../../src/queries/resource.ts';
import { repeated } from '../../src/web/query.ts';
import { type Send, startTestApi, type TestApi } from '../helpers/http.ts';
import { createRandom } from '../helpers/random.ts';
import { sequence } from '../helpers/sql.ts';

const TABLE = `
  CREATE TABLE public.stars (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    code text NOT NULL UNIQUE,
    name text NOT NULL,
    magnitude numeric,
    version bigint NOT NULL DEFAULT 1
  );
  CREATE FUNCTION public.stars_before_write() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN
    IF NEW IS DISTINCT FROM OLD THEN NEW.version := OLD.version + 1; END IF;
    RETURN NEW;
  END $$;
  CREATE TRIGGER stars_before_write BEFORE UPDATE ON public.stars
  FOR EACH ROW EXECUTE FUNCTION public.stars_before_write();
  CREATE FUNCTION feed.render(star public.stars) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object('id', star.id, 'code', star.code, 'name', star.name,
      'magnitude', star.magnitude::text, 'version', star.version)
  $$;
  GRANT SELECT, INSERT, UPDATE, DELETE ON public.stars TO taskwire_app;
  SELECT feed.watch('public.stars', topic => 'stars', entity => 'star');`;

const stars: Resource = {
  topic: 'stars',
  entity: 'star',
  table: ['public', 'stars'],
  columns: { code: 'text', name: 'text', magnitude: 'numeric' },
  naturalKey: { column: 'code', pattern: /^[A-Z][A-Z0-9]{2}$/, normalise: text => text },
  sorts: {
    name: { by: sql.fragment`t.name`, type: 'text' },
    magnitude: { by: sql.fragment`t.magnitude`, type: 'numeric', nullable: true },
  },
  defaultSort: 'name',
  filters: { name: values => sql.fragment`t.name = ANY (${sql.array([...values], 'text')})` },
  hasCreatedAt: false,
};
const code = trimmedText({ from: 3, to: 3 });
const name = trimmedText({ from: 1, to: 20 });
const magnitude = z.string().nullable();
const resource = {
  resource: stars,
  Entity: z
    .object({ id: z.uuid(), code: z.string(), name: z.string(), magnitude, version: z.int() })
    .meta({ id: 'Star' }),
  New: object({ code, name, magnitude: magnitude.default(null), version: readOnly }),
  Patch: object({ name: name.optional(), magnitude: magnitude.optional(), version: readOnly }),
  filters: { name: repeated(z.string()).optional() },
  scopes: { read: 'tasks:read', write: 'tasks:write' } as const,
  hasBatch: false,
  hasHistory: true,
  hasPast: true,
};

async function start(t: ExecutionContext, more: Partial<typeof resource> = {}): Promise<TestApi> {
  const api = await startTestApi({
    operations: pool => createResourceOperations({ ...resource, ...more }, { pool }),
  });
  t.teardown(api.close);
  await api.psql.query(TABLE);
  return api;
}

test('it is made, read, changed, deleted, and found by its second key', async t => {
  const { send } = await start(t);
  const made = await send('POST', '/stars', { code: 'SOL', name: ' Sun ', magnitude: '-26.740' });
  t.is(made.status, 201);
  t.like(made.body, { code: 'SOL', name: 'Sun', magnitude: '-26.740', version: 1 });
  t.is(made.headers.get('location'), `/stars/${made.body.id}`);
  t.deepEqual((await send('GET', `/stars/${made.body.id}`)).body, made.body);
  t.deepEqual((await send('GET', '/stars/SOL')).body, made.body);

  const changed = await send('PATCH', '/stars/SOL', { name: 'Sol' }, { 'If-Match': '"1"' });
  t.like(changed.body, { name: 'Sol', magnitude: '-26.740', version: 2 });
  t.is(changed.headers.get('etag'), '"2"');
  t.is((await send('PATCH', '/stars/SOL', { name: 'late' }, { 'If-Match': '"1"' })).status, 412);
  t.is((await send('DELETE', '/stars/SOL')).status, 204);
  t.is((await send('GET', '/stars/SOL')).status, 404);
  t.is((await send('DELETE', `/stars/${made.body.id}`)).status, 404);
});

test('what is wrong with it is refused as of a task', async t => {
  const { send } = await start(t);
  t.like((await send('GET', '/stars/sol?x=1')).body, { status: 404, detail: 'there is no star sol' });
  t.like((await send('GET', '/stars/SOL?x=1')).body, { status: 400, errors: [{ path: 'x' }] });
  const { body } = await send('POST', '/stars', { code: 'SO', size: 1 });
  t.deepEqual(
    body.errors.map(({ path }: { path: string }) => path),
    ['/code', '/name', '/size'],
  );
  await send('POST', '/stars', { code: 'SOL', name: 'Sun' });
  t.is((await send('POST', '/stars', { code: 'SOL', name: 'Sun' })).status, 409);
  t.is((await send('PUT', '/stars/SOL', {})).headers.get('allow'), 'DELETE, GET, HEAD, OPTIONS, PATCH');
  t.is((await send('POST', '/stars/SOL/restore')).status, 404);
});

test('its history and its past come out of the log, the list in the order of ids', async t => {
  const { send, psql } = await start(t);
  await psql.query(
    `INSERT INTO stars (code, name) SELECT 'S' || n, 'star ' || n FROM generate_series(10, 29) AS n`,
  );
  await sequence(psql);
  await send('PATCH', '/stars/S10', { name: 'changed' });
  await psql.query(`DELETE FROM stars WHERE code = 'S11'`);
  await sequence(psql);
  const past = await walk(send, '/stars?limit=7&as_of=20');
  const was = past.map(({ id, name }) => `${id} ${name}`);
  t.is(was.length, 20);
  t.deepEqual(was, was.toSorted());
  t.true(was.some(line => line.endsWith(' star 10')) && was.some(line => line.endsWith(' star 11')));
  t.is((await send('GET', '/stars/S10?as_of=20')).body.name, 'star 10');
  const { body } = await send('GET', '/stars/S10/history');
  t.deepEqual(
    body.data.map(({ type }: { type: string }) => type),
    ['star_created', 'star_updated'],
  );
});

test('many are written in one request', async t => {
  const { send } = await start(t, { hasBatch: true });
  const { body } = await send('POST', '/stars', { code: 'SOL', name: 'Sun' });
  const operations = [
    { op: 'create', star: { code: 'SIR', name: 'Sirius', magnitude: '-1.46' } },
    { op: 'update', id: body.id, star: { magnitude: '-26.740' }, version: 1 },
    { op: 'delete', id: body.id },
  ];
  const answer = await send('POST', '/stars/batch', { operations });
  t.like(answer.body.data[0], { code: 'SIR', magnitude: '-1.46', version: 1 });
  t.like(answer.body.data[1], { code: 'SOL', magnitude: '-26.740', version: 2 });
  t.is(answer.body.data[2], null);
  const { status, body: problem } = await send('POST', '/stars/batch', {
    operations: operations.slice(0, 1),
  });
  t.is(status, 409);
  t.is(problem.errors[0].path, '/operations/0');
});

test('one without history and past has neither', async t => {
  const { send } = await start(t, { hasHistory: false, hasPast: false });
  await send('POST', '/stars', { code: 'SOL', name: 'Sun' });
  t.is((await send('GET', '/stars/SOL/history')).status, 404);
  for (const path of ['/stars?as_of=1', '/stars/SOL?as_of=1'])
    t.like((await send('GET', path)).body, { status: 400, errors: [{ path: 'as_of' }] });
});

test('pages in any order and direction are the whole list, and rows without the key stand last', async t => {
  const { send, psql } = await start(t);
  const random = createRandom(t.log);
  const values = Array.from({ length: 40 }, (_, n) => ({
    code: `c${n}`,
    name: `name ${random.below(8)}`,
    magnitude: random.chance(0.3) ? null : `${random.below(5)}.50`,
  }));
  await psql.query(
    'INSERT INTO stars (code, name, magnitude) SELECT code, name, magnitude FROM jsonb_populate_recordset(NULL::stars, $1)',
    [JSON.stringify(values)],
  );
  const idsOn = async (path: string) => (await walk(send, path)).map(({ id }) => id);
  const idsBy = async (order: string, where = 'true') =>
    (await psql.query(`SELECT id FROM stars WHERE ${where} ORDER BY ${order}`)).rows.map(({ id }) => id);
  for (const sort of ['name', '-name', 'magnitude', '-magnitude']) {
    const [column, way] = sort.startsWith('-') ? [sort.slice(1), 'DESC'] : [sort, 'ASC'];
    const path = `/stars?sort=${sort}&limit=${1 + random.below(9)}`;
    t.deepEqual(await idsOn(path), await idsBy(`${column} ${way} NULLS LAST, id ${way}`), path);
  }
  const some = await idsOn('/stars?name=name%201&limit=2&name=name%202');
  t.deepEqual(some, await idsBy('name, id', `name IN ('name 1', 'name 2')`));
});

test('a sort is one of those there are, a cursor of that sort, and the past has one order', async t => {
  const { send, psql } = await start(t);
  await psql.query(`INSERT INTO stars (code, name) SELECT 'c' || n, 'x' FROM generate_series(1, 3) AS n`);
  t.like((await send('GET', '/stars?sort=size')).body, { status: 400, errors: [{ path: 'sort' }] });
  const { body } = await send('GET', '/stars?sort=name&limit=1');
  const other = await send('GET', `/stars?sort=-name&cursor=${body.next_cursor}`);
  t.like(other.body, { status: 400, errors: [{ path: 'cursor' }] });
  for (const more of ['sort=name', 'name=x'])
    t.like((await send('GET', `/stars?as_of=0&${more}`)).body, { status: 400, errors: [{ path: 'as_of' }] });
});

/** Every star from the first page to the last, in order. */
async function walk(send: Send, from: string): Promise<{ id: string; name: string }[]> {
  const all = [];
  let path: string | undefined = from;
  while (path !== undefined) {
    const { body, headers } = await send('GET', path);
    all.push(...body.data);
    path = /^<(.*)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
  }
  return all;
}

test('a sort or a filter that the resource does not have is a mistake of ours, not an empty list', async t => {
  const { pool } = await start(t);
  const page = { sort: 'name', filters: {}, after: undefined, limit: 1 };
  await t.throwsAsync(listEntities(pool, stars, { ...page, sort: '-size' }), { message: /sorted by -size/ });
  await t.throwsAsync(listEntities(pool, stars, { ...page, filters: { size: ['1'] } }), {
    message: /filtered by size/,
  });
});
