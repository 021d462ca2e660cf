// The API's rules and the database's are the same ones: what one takes, the other takes, and as the same value.
import test from 'ava';
import { NewTask } from '../../src/http/tasks/task_fields.ts';
import { ownApi, read, withApi } from '../helpers/http.ts';
import { createRandom } from '../helpers/random.ts';

const api = withApi(test);

test('both trim the same white space', async t => {
  const suspects = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code)).filter(
    text =>
      /[\s\p{Z}\p{C}\u0085]/u.test(text) &&
      text.isWellFormed() &&
      text !== '\0' &&
      !/\p{Cn}|\p{Co}/u.test(text),
  );
  const titles = suspects.map(text => `${text}a${text}`);
  const { rows } = await api.psql.query<{ title: string }>(
    'INSERT INTO tasks (title) SELECT title FROM unnest($1::text[]) WITH ORDINALITY AS u (title, n) ORDER BY n RETURNING title',
    [titles],
  );
  t.true(suspects.length > 100);
  t.deepEqual(
    titles.map(title => NewTask.parse({ title }).title),
    rows.map(row => row.title),
  );
});

test('titles and descriptions are as long as both allow, in code points', async t => {
  const task = {
    title: ` ${'😀'.repeat(200)} `,
    description: '😀'.repeat(10_000),
    labels: ['😀'.repeat(50)],
  };
  const { status, body } = await api.send('POST', '/tasks', task);
  t.is(status, 201);
  t.like(body, { ...task, title: task.title.trim() });
});

test('twenty labels are not too many', async t => {
  const labels = Array.from({ length: 20 }, (_, index) => `label ${index}`);
  t.deepEqual((await api.send('POST', '/tasks', { title: 'x', labels })).body.labels, labels);
});

test('a description may be empty', async t => {
  t.is((await api.send('POST', '/tasks', { title: 'x', description: '' })).body.description, '');
});

const times = {
  '0001-01-01T00:00:00Z': '0001-01-01T00:00:00.000000Z',
  '9999-12-31T23:59:59.999999Z': '9999-12-31T23:59:59.999999Z',
  '2000-02-29T12:00:00.1Z': '2000-02-29T12:00:00.100000Z',
  '0004-02-29t00:00:00.000001z': '0004-02-29T00:00:00.000001Z',
  '2026-01-01T00:00:00+15:59': '2025-12-31T08:01:00.000000Z',
  '2026-01-01T00:00:00-15:59': '2026-01-01T15:59:00.000000Z',
  '2026-01-01T00:00:00-00:00': '2026-01-01T00:00:00.000000Z',
  '1900-01-01T00:00:00.654321+02:30': '1899-12-31T21:30:00.654321Z',
};
for (const [given, kept] of Object.entries(times)) {
  test(`due_at ${given} is kept to the microsecond`, async t => {
    t.is((await api.send('POST', '/tasks', { title: 'x', due_at: given })).body.due_at, kept);
  });
}

test('any text that the API takes for a time, the database takes too', async t => {
  const random = createRandom(t.log);
  const digits = (count: number, end: number) => String(random.below(end)).padStart(count, '0');
  const texts = Array.from({ length: 3_000 }, () => {
    const date = `${random.chance(0.1) ? digits(4, 3) : digits(4, 10_000)}-${digits(2, 14)}-${digits(2, 33)}`;
    const time = `${digits(2, 25)}:${digits(2, 61)}:${digits(2, 61)}`;
    const fraction = random.chance(0.5) ? `.${digits(6, 1e6).slice(0, 1 + random.below(6))}` : '';
    const offset = random.chance(0.5)
      ? 'Z'
      : `${random.chance(0.5) ? '+' : '-'}${digits(2, 17)}:${digits(2, 61)}`;
    return `${date}T${time}${fraction}${offset}`;
  });
  const taken = texts.filter(due_at => NewTask.safeParse({ title: 'x', due_at }).success);
  t.true(taken.length > 1_000);
  await t.notThrowsAsync(
    api.psql.query(`INSERT INTO tasks (title, due_at) SELECT 'x', unnest($1::text[])::timestamptz`, [taken]),
  );
});

test('a rule that only the database has is still 422, naming the field', async t => {
  const own = await ownApi(t);
  await own.psql.query('ALTER TABLE tasks ADD CONSTRAINT tasks_title_length CHECK (char_length(title) < 5)');
  await own.psql.query(`ALTER TABLE tasks ADD CONSTRAINT no_shouting CHECK (title <> upper(title))`);
  const long = await own.send('POST', '/tasks', { title: 'longer than that' });
  t.is(long.status, 422);
  t.is(long.body.errors[0].path, '/title');
  const loud = await own.send('POST', '/tasks', { title: 'HEY' });
  t.is(loud.status, 422);
  t.regex(loud.body.detail, /no_shouting/);
  t.is((await own.send('POST', '/tasks', { title: 'hey' })).status, 201);
  t.deepEqual((await read(await own.request('/tasks'))).body.data.length, 1);
});
