// What is refused as a task: with 422, all faults at once, each naming its field, and nothing changed.
import test from 'ava';
import { withApi } from '../helpers/http.ts';

let rows: { id: string; xmin: string }[]; // what is there from the start, and to the end
const api = withApi(test, {}, async () => {
  rows = await rowsNow(
    `INSERT INTO tasks (title, description) VALUES ('untouched', 'd') RETURNING id, xmin::text`,
  );
});

interface Refusal {
  path: string;
  message: string;
}

// No test in this file may write anything, so what psql wrote is all that is ever there.
test.after('nothing that was refused left a row or an event behind', async t => {
  t.deepEqual(await rowsNow('SELECT id, xmin::text FROM tasks'), rows);
  const { rows: staged } = await api.psql.query('SELECT type, origin FROM feed.staged');
  t.deepEqual(staged, [{ type: 'task_created', origin: 'psql' }]);
});

async function rowsNow(statement: string) {
  return (await api.psql.query<{ id: string; xmin: string }>(statement)).rows;
}

const refused = test.macro({
  title: (name = '') => `${name} is refused`,
  async exec(t, body: unknown, expected: Record<string, RegExp>, methods: string[] = ['POST', 'PATCH']) {
    for (const method of methods) {
      const {
        status,
        headers,
        body: problem,
      } = await api.send(method, method === 'POST' ? '/tasks' : `/tasks/${rows[0]?.id}`, body);
      t.is(status, 422, method);
      t.is(headers.get('content-type'), 'application/problem+json');
      t.is(problem.type, '/problems/invalid');
      const errors: Refusal[] = problem.errors;
      t.deepEqual(errors.map(error => error.path).sort(), Object.keys(expected).sort());
      for (const { path, message } of errors) t.regex(message, expected[path] ?? /never/);
    }
  },
});

const title = 'fine';
const long = (length: number) => '😀'.repeat(length);

test('a task without a title', refused, {}, { '/title': /is required/ }, ['POST']);
test('a title of 300 characters', refused, { title: 'x'.repeat(300) }, { '/title': /1 to 200 characters/ });
test('a title of 201 characters beyond the BMP', refused, { title: long(201) }, { '/title': /1 to 200/ });
test('an empty title', refused, { title: '' }, { '/title': /1 to 200/ });
test('a title of white space alone', refused, { title: ' \u0085\u3000\uFEFF\n' }, { '/title': /1 to 200/ });
test('a title that is null', refused, { title: null }, { '/title': /must be a string/ });
test('a title that is a number', refused, { title: 5 }, { '/title': /must be a string/ });
test('a title with U+0000', refused, { title: 'a\u0000b' }, { '/title': /U\+0000/ });
test('a title with half a surrogate pair', refused, { title: 'a\ud83d' }, { '/title': /surrogate/ });
test('a description with U+0000', refused, { title, description: '\0' }, { '/description': /U\+0000/ });
test(
  'a description of 10,001 characters',
  refused,
  { title, description: long(10_001) },
  {
    '/description': /at most 10,000/,
  },
);
test('an unknown status', refused, { title, status: 'later' }, { '/status': /todo, in_progress or done/ });
test('a status that is null', refused, { title, status: null }, { '/status': /todo/ });
test('an unknown priority', refused, { title, priority: 1 }, { '/priority': /low, normal, high or urgent/ });
test('labels that are a string', refused, { title, labels: 'x' }, { '/labels': /list of strings/ });
test('labels that are null', refused, { title, labels: null }, { '/labels': /list of strings/ });
test('a label that is null', refused, { title, labels: ['a', null] }, { '/labels/1': /must be a string/ });
test('nested labels', refused, { title, labels: [['a']] }, { '/labels/0': /must be a string/ });
test('an empty label', refused, { title, labels: [''] }, { '/labels/0': /1 to 50/ });
test('a label of 51 characters', refused, { title, labels: [long(51)] }, { '/labels/0': /1 to 50/ });
test('a label with U+0000', refused, { title, labels: ['a', '\0'] }, { '/labels/1': /U\+0000/ });
test('the same label twice', refused, { title, labels: ['a', 'b', 'a'] }, { '/labels': /distinct/ });
test(
  '21 labels',
  refused,
  { title, labels: Array.from({ length: 21 }, (_, i) => `${i}`) },
  {
    '/labels': /at most 20/,
  },
);
test('a field that does not exist', refused, { title, colour: 'red' }, { '/colour': /not known/ });
test('field names with a slash and a tilde', refused, { title, 'a/b~c': 1 }, { '/a~1b~0c': /not known/ });
test(
  'fields named like the insides of JavaScript',
  refused,
  JSON.parse(
    '{"title":"x","__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1}',
  ),
  { '/__proto__': /not known/, '/constructor': /not known/, '/toString': /not known/ },
);
test(
  'fields that only the service writes',
  refused,
  {
    title,
    id: '01a207cb-0000-7000-8000-000000000000',
    version: 1,
    created_at: null,
    updated_at: null,
    completed_at: null,
    source: 'me',
    external_id: '1',
  },
  {
    '/id': /read-only/,
    '/version': /read-only/,
    '/created_at': /read-only/,
    '/updated_at': /read-only/,
    '/completed_at': /read-only/,
    '/source': /read-only/,
    '/external_id': /read-only/,
  },
);
test(
  'everything wrong at once',
  refused,
  {
    title: 1,
    description: {},
    status: 'x',
    priority: 'x',
    due_at: 'soon',
    labels: ['', 1],
    more: 1,
  },
  {
    '/title': /string/,
    '/description': /string/,
    '/status': /must be/,
    '/priority': /must be/,
    '/due_at': /RFC 3339/,
    '/labels/0': /1 to 50/,
    '/labels/1': /string/,
    '/more': /not known/,
  },
);

for (const body of [[], [{ title }], 'title', 5, 0.12345678901234568, true, null]) {
  test(`a body that is ${JSON.stringify(body)}`, refused, body, { '': /JSON object/ });
}

const notTimes = {
  'a date alone': '2026-01-01',
  'no offset': '2026-01-01T00:00:00',
  'a space between date and time': '2026-01-01 00:00:00Z',
  'no seconds': '2026-01-01T00:00Z',
  'an empty fraction': '2026-01-01T00:00:00.Z',
  'ten digits of fraction': '2026-01-01T00:00:00.1234567891Z',
  'the 30th of February': '2026-02-30T00:00:00Z',
  'the 29th of February of a common year': '2100-02-29T00:00:00Z',
  'the 31st of April': '2026-04-31T00:00:00Z',
  'month 13': '2026-13-01T00:00:00Z',
  'day 0': '2026-01-00T00:00:00Z',
  '24:00': '2026-01-01T24:00:00Z',
  'minute 60': '2026-01-01T00:60:00Z',
  'a leap second': '2016-12-31T23:59:60Z',
  'an offset of a day': '2026-01-01T00:00:00+24:00',
  'an offset that PostgreSQL refuses': '2026-01-01T00:00:00-16:00',
  'the year 0': '0000-12-31T00:00:00Z',
  'the year 0 in UTC': '0001-01-01T00:00:00+00:01',
  'the year 10000 in UTC': '9999-12-31T23:59:59.999999-00:01',
  'a year of five digits': '10000-01-01T00:00:00Z',
  infinity: 'infinity',
  now: 'now',
  'a line break at the end': '2026-01-01T00:00:00Z\n',
  'digits that are not ASCII': '٢٠٢٦-01-01T00:00:00Z',
  'a number': 1_767_225_600,
};
for (const [name, due_at] of Object.entries(notTimes)) {
  test(`a due_at with ${name}`, refused, { title, due_at }, { '/due_at': /^must/ });
}

const NEAR = {
  dueAt: 'due_at',
  statsu: 'status',
  desc: 'description',
  Title: 'title',
  label: 'labels',
  prioritty: 'priority',
};
for (const [name, meant] of Object.entries(NEAR)) {
  test(
    `a field called ${name}`,
    refused,
    { title, [name]: 1 },
    { [`/${name}`]: new RegExp(`did you mean ${meant}\\?`) },
  );
}
for (const name of ['x', 'colour', 'versoin', 'created', 'x'.repeat(100_000), 'constructor']) {
  test(
    `a field called ${name.slice(0, 20)}, which is like no other,`,
    refused,
    { title, [name]: 1 },
    { [`/${name}`]: /^is not known here$/ },
  );
}

test('a query parameter that is not known is told what it is like', async t => {
  const { body } = await api.send('GET', '/tasks?stauts=todo&lmit=1&due=x&page=2');
  const messages = Object.fromEntries(body.errors.map(({ path, message }: Refusal) => [path, message]));
  t.regex(messages.stauts ?? '', /did you mean status\?/);
  t.regex(messages.lmit ?? '', /did you mean limit\?/);
  t.regex(messages.due ?? '', /did you mean due_(before|after)\?/);
  t.is(messages.page, 'is not known here');
});

test('a body full of faults gets an answer of bearable size', async t => {
  const body = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`field_${i}`, 1]));
  const { status, body: problem } = await api.send('POST', '/tasks', body);
  t.is(status, 422);
  t.is(problem.errors.length, 100);
});

test('nothing a client names ends up in Object.prototype', async t => {
  await api.send('POST', '/tasks', JSON.parse('{"__proto__":{"polluted":true}}'));
  t.false('polluted' in {});
});

test('a megabyte of spaces before a letter is refused as fast as anything else', async t => {
  const { status } = await api.send('POST', '/tasks', { title: `a${' '.repeat(1_000_000)}b` });
  t.is(status, 422);
});
