// What a run brings into the list, and what it leaves alone.
import test from 'ava';
import { startGenerator } from '../fixtures/generator.ts';
import { todos } from '../fixtures/source_server.ts';
import { until } from '../helpers/until.ts';

const none = { fetched: 0, created: 0, updated: 0, unchanged: 0, rejected: 0 };

test('two hundred items become two hundred tasks, each with its event', async t => {
  const { source, psql, startWorker, run, staged } = await startGenerator(t);
  source.answer(todos(200));
  await startWorker();
  t.like(await run(), { ...none, status: 'succeeded', error: null, fetched: 200, created: 200 });
  const events = await staged();
  t.is(events.length, 200);
  t.true(events.every(({ type, origin }) => type === 'task_created' && origin === 'generator'));
  const { rows } = await psql.query(`SELECT title, status, source, completed_at IS NOT NULL AS completed
    FROM tasks WHERE external_id IN ('1', '200') ORDER BY external_id::integer`);
  t.deepEqual(rows, [
    { title: 'to-do 1', status: 'todo', source: 'jsonplaceholder', completed: false },
    { title: 'to-do 200', status: 'done', source: 'jsonplaceholder', completed: true },
  ]);
});

test('a second run on unchanged data changes nothing and makes no event of a task', async t => {
  const { source, psql, startWorker, run, staged } = await startGenerator(t);
  source.answer(todos(120, id => ({ title: `\u0085 to-do ${id}\u3000` })));
  await startWorker();
  t.like(await run(), { created: 120 });
  await staged();
  const tables = `SELECT (SELECT json_agg(t ORDER BY id) FROM tasks AS t)::text AS tasks,
    (SELECT json_agg(json_build_array(i.xmin::text, i.*) ORDER BY external_id) FROM imports AS i)::text AS imports`;
  const { rows: before } = await psql.query(tables);
  t.like(await run(), { ...none, status: 'succeeded', fetched: 120, unchanged: 120 });
  t.deepEqual((await psql.query(tables)).rows, before);
  t.deepEqual(await staged(), []);
});

test('runs themselves are events: queued, started, ended', async t => {
  const { source, startWorker, run, staged } = await startGenerator(t);
  source.answer(todos(3));
  await startWorker();
  await run();
  const events = await staged('runs');
  t.deepEqual(
    events.map(({ type, origin }) => [type, origin]),
    [
      ['run_queued', 'generator'],
      ['run_started', 'generator'],
      ['run_succeeded', 'generator'],
    ],
  );
  t.like(events.at(-1)?.data, { fetched: 3, created: 3 });
});

test('what the source changes is changed here, and nothing else', async t => {
  const { source, psql, startWorker, run, staged } = await startGenerator(t);
  source.answer(todos(5));
  await startWorker();
  await run();
  await staged();
  source.answer(todos(5, id => (id === 3 ? { title: 'renamed' } : {})));
  t.like(await run(), { ...none, fetched: 5, updated: 1, unchanged: 4 });
  t.deepEqual(
    (await staged()).map(event => [event.type, event.origin, event.data.title]),
    [['task_updated', 'generator', 'renamed']],
  );
  const { rows } = await psql.query(`SELECT version FROM tasks WHERE external_id = '3'`);
  t.deepEqual(rows, [{ version: '2' }]);
});

test('a field that a person edited is not overwritten, the others follow the source', async t => {
  const { source, psql, startWorker, run } = await startGenerator(t);
  source.answer(todos(2));
  await startWorker();
  await run();
  await psql.query(`UPDATE tasks SET title = 'mine', priority = 'high' WHERE external_id = '1'`);
  source.answer(todos(2, () => ({ title: 'theirs', completed: true })));
  t.like(await run(), { updated: 2 });
  const task = `SELECT title, status, priority FROM tasks WHERE external_id = '1'`;
  t.deepEqual((await psql.query(task)).rows, [{ title: 'mine', status: 'done', priority: 'high' }]);
  // The edit stays a person's, however often the source changes its mind.
  source.answer(todos(2, () => ({ title: 'theirs again', completed: true })));
  t.like(await run(), { updated: 1, unchanged: 1 });
  t.deepEqual((await psql.query(task)).rows, [{ title: 'mine', status: 'done', priority: 'high' }]);
});

test('a task that a person deleted does not come back, whatever its source says', async t => {
  const { source, psql, startWorker, run } = await startGenerator(t);
  source.answer(todos(3));
  await startWorker();
  await run();
  await psql.query(`DELETE FROM tasks WHERE external_id = '2'`);
  t.like(await run(), { ...none, fetched: 3, unchanged: 3 });
  source.answer(todos(3, () => ({ title: 'changed' })));
  t.like(await run(), { ...none, fetched: 3, updated: 2, unchanged: 1 });
  t.deepEqual((await psql.query('SELECT external_id FROM tasks ORDER BY 1')).rows, [
    { external_id: '1' },
    { external_id: '3' },
  ]);
});

test('a deleted task that a person restores follows its source again', async t => {
  const { source, psql, startWorker, run } = await startGenerator(t);
  source.answer(todos(1));
  await startWorker();
  await run();
  const { rows } = await psql.query('DELETE FROM tasks RETURNING id');
  source.answer(todos(1, () => ({ title: 'changed meanwhile' })));
  await run();
  await psql.query(
    `INSERT INTO tasks (id, title, source, external_id) VALUES ($1, 'to-do 1', 'jsonplaceholder', '1')`,
    [rows[0].id],
  );
  t.like(await run(), { updated: 1 });
  t.deepEqual((await psql.query('SELECT title FROM tasks')).rows, [{ title: 'changed meanwhile' }]);
});

test('a task that a person made under the same id is adopted as it is', async t => {
  const { source, psql, startWorker, run } = await startGenerator(t);
  await psql.query(
    `INSERT INTO tasks (title, source, external_id) VALUES ('by hand', 'jsonplaceholder', '1')`,
  );
  source.answer(todos(1));
  await startWorker();
  t.like(await run(), { ...none, fetched: 1, unchanged: 1 });
  t.deepEqual((await psql.query('SELECT title, version FROM tasks')).rows, [
    { title: 'by hand', version: '1' },
  ]);
  source.answer(todos(1, () => ({ title: 'theirs', completed: true })));
  t.like(await run(), { updated: 1 });
  t.deepEqual((await psql.query('SELECT title, status FROM tasks')).rows, [
    { title: 'by hand', status: 'done' },
  ]);
});

test('items that break a rule are rejected with their reason, and the others go on', async t => {
  const { source, psql, startWorker, run } = await startGenerator(t);
  source.answer([
    { id: 1, title: '   ', completed: false },
    { id: 2, title: 'x'.repeat(201), completed: false },
    { id: 3, title: 'nul \0', completed: false },
    { id: 4, title: 'half \ud83d', completed: false },
    { id: 5, title: 5, completed: false },
    { id: 6, completed: 'no' },
    { title: 'no id', completed: false },
    'not an object',
    { id: 7, title: 'good', completed: false },
    { id: 7, title: 'twice', completed: false },
    { id: 'x'.repeat(201), title: 'long id', completed: false },
    { id: 8, title: 'good too', completed: true, unknown: 'ignored' },
  ]);
  await startWorker();
  const run1 = await run();
  t.like(run1, { ...none, status: 'succeeded', error: null, fetched: 12, created: 2, rejected: 10 });
  const reasons = new Map(run1.rejections.map(({ external_id, reason }) => [external_id, reason]));
  t.is(run1.rejections.length, 10);
  t.is(reasons.get('1'), 'title must have 1 to 200 characters after trimming');
  t.is(reasons.get('2'), 'title must have 1 to 200 characters after trimming');
  t.is(reasons.get('3'), 'title holds a character that cannot be stored');
  t.is(reasons.get('4'), 'title holds a character that cannot be stored');
  t.regex(reasons.get('5') ?? '', /^entry 5: title must be a text, not /);
  t.regex(reasons.get('6') ?? '', /^entry 6: title is missing; completed must be true or false, not a text$/);
  t.is(reasons.get('7'), 'its id has come before in this run');
  t.is(reasons.get('x'.repeat(201)), 'external_id must have 1 to 200 characters');
  t.deepEqual((await psql.query('SELECT title FROM tasks ORDER BY title')).rows, [
    { title: 'good' },
    { title: 'good too' },
  ]);
});

test('a rule that an operator added rejects items too', async t => {
  const { source, psql, startWorker, run } = await startGenerator(t);
  await psql.query(`ALTER TABLE tasks ADD CONSTRAINT no_shouting CHECK (title <> upper(title))`);
  source.answer(todos(2, id => (id === 1 ? { title: 'HEY' } : {})));
  await startWorker();
  const { rejections, created } = await run();
  t.is(created, 1);
  t.regex(rejections[0]?.reason ?? '', /no_shouting/);
});

test('of many rejections the first hundred are kept, and all are counted', async t => {
  const { source, startWorker, run } = await startGenerator(t);
  source.answer(todos(150, () => ({ title: '' })));
  await startWorker();
  const { rejected, rejections } = await run();
  t.is(rejected, 150);
  t.is(rejections.length, 100);
});

test('one source failing does not stop another', async t => {
  const { source, startWorker, run, psql } = await startGenerator(t);
  source.answer((request, response) => {
    if (request.url === '/missing') response.writeHead(404).end();
    else response.end(JSON.stringify(todos(4)));
  });
  const missing = source.url.replace('/todos', '/missing');
  const sources = [
    { adapter: 'jsonplaceholder', url: missing.replace('http://', 'http://user:secret@') },
    { adapter: 'jsonplaceholder', url: 'http://127.0.0.1:1/' },
    { adapter: 'jsonplaceholder', url: source.url },
    { adapter: 'sample', url: undefined },
  ];
  await startWorker({ sources });
  t.like(await run(), {
    status: 'failed',
    error:
      `jsonplaceholder: ${missing} answered 404 Not Found; ` +
      'jsonplaceholder: could not be reached (ECONNREFUSED 127.0.0.1:1)',
    created: 12,
  });
  t.deepEqual((await psql.query('SELECT count(*) FROM tasks')).rows, [{ count: '12' }]);
});

test('a person changing the same task at the same moment loses nothing', async t => {
  const { source, psql, database, startWorker, ask, ended } = await startGenerator(t);
  source.answer(todos(2, () => ({ completed: false })));
  await startWorker();
  await ended((await ask()).id);
  source.answer(todos(2, () => ({ title: 'theirs', completed: true })));
  await psql.query(`BEGIN; UPDATE tasks SET title = 'mine' WHERE external_id = '1'`);
  const { id } = await ask();
  const observer = await database.psql();
  await until(() => waitsForLock(observer));
  // Nor do the two of them deadlock: whoever imports holds no other task while it waits.
  await psql.query(`UPDATE tasks SET title = 'mine' WHERE external_id = '2'; COMMIT`);
  t.like(await ended(id), { status: 'succeeded', updated: 2 });
  t.deepEqual((await psql.query('SELECT DISTINCT title, status FROM tasks')).rows, [
    { title: 'mine', status: 'done' },
  ]);
});

test('a person deleting a task at the same moment wins', async t => {
  const { source, psql, database, startWorker, ask, ended } = await startGenerator(t);
  source.answer(todos(1));
  await startWorker();
  await ended((await ask()).id);
  source.answer(todos(1, () => ({ title: 'theirs' })));
  await psql.query('BEGIN; DELETE FROM tasks');
  const { id } = await ask();
  const observer = await database.psql();
  await until(() => waitsForLock(observer));
  await psql.query('COMMIT');
  t.like(await ended(id), { status: 'succeeded', unchanged: 1 });
  t.deepEqual((await psql.query('SELECT * FROM tasks')).rows, []);
});

async function waitsForLock(observer: { query(text: string): Promise<{ rowCount: number | null }> }) {
  const { rowCount } = await observer.query(`SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'taskwire run' AND wait_event_type = 'Lock'`);
  return rowCount === 1;
}
