// The list of tasks in every order and through every filter: against PostgreSQL's own idea of both, and how it is read.
import test from 'ava';
import type { DatabasePool } from '../../src/postgres/pool.ts';
import { type ListOptions, listEntities } from '../../src/queries/entities.ts';
import { sortsOf } from '../../src/queries/resource.ts';
import { tasks } from '../../src/queries/tasks.ts';
import { type Answer, type TestApi, withApi } from '../helpers/http.ts';
import { createRandom } from '../helpers/random.ts';

const TASKS = 300;

const api = withApi(test, {}, async api => {
  // Few different values, so that ids must often decide, and microseconds that milliseconds would lose.
  await api.psql.query(
    `INSERT INTO tasks (title, description, status, priority, due_at, labels, source, external_id, created_at)
     SELECT (ARRAY['Б', 'а', 'Ё', 'b', 'a', 'B', '😀', 'é'])[1 + n % 8], CASE WHEN n % 5 = 0 THEN 'some milk' END,
       (ARRAY['todo', 'in_progress', 'done'])[1 + n % 3], (ARRAY['urgent', 'low', 'high', 'normal'])[1 + n % 4],
       CASE WHEN n % 3 > 0 THEN timestamptz '2026-01-01 00:00:00.000001+00' + (n % 7) * interval '1 microsecond' END,
       CASE WHEN n % 2 = 0 THEN ARRAY['home', 'l' || n % 10] ELSE '{}' END,
       CASE WHEN n % 4 > 0 THEN 's' || n % 4 END, CASE WHEN n % 4 > 0 THEN n::text END,
       timestamptz '2026-01-01 00:00:00.000001+00' + (n % 11) * interval '1 microsecond'
     FROM generate_series(1, ${TASKS}) AS n ORDER BY random()`,
  );
});

// Those who write do it here.
let planner: TestApi['psql'];
const crowded = withApi(test, {}, async crowded => {
  await crowded.psql.query(
    `INSERT INTO tasks (title, due_at, priority, labels)
     SELECT 'task ' || n, CASE WHEN n % 2 = 0 THEN now() + n * interval '1 hour' END,
       (ARRAY['low', 'normal', 'high', 'urgent'])[1 + n % 4], CASE WHEN n % 1000 = 0 THEN ARRAY['rare'] ELSE '{}' END
     FROM generate_series(1, 5000) AS n`,
  );
  await crowded.psql.query('VACUUM ANALYZE tasks');
  planner = crowded.psql;
});

const ORDERS: Record<string, string> = {
  created_at: 'created_at',
  updated_at: 'updated_at',
  due_at: 'due_at',
  priority: `array_position(ARRAY['low', 'normal', 'high', 'urgent'], priority)`,
  title: 'title COLLATE "C"',
};

async function idsBy(sort: string, where = 'true', { psql } = api): Promise<string[]> {
  const [name, way] = sort.startsWith('-') ? [sort.slice(1), 'DESC'] : [sort, 'ASC'];
  const order = `${ORDERS[name]} ${way} NULLS LAST, id ${way}`;
  const { rows } = await psql.query<{ id: string }>(`SELECT id FROM tasks WHERE ${where} ORDER BY ${order}`);
  return rows.map(row => row.id);
}

async function walk(query: string, { send } = api): Promise<string[]> {
  const ids: string[] = [];
  let path: string | undefined = `/tasks?${query}`;
  while (path !== undefined) {
    const { status, headers, body } = await send('GET', path);
    if (status !== 200) throw new Error(`${path}: ${JSON.stringify(body)}`);
    ids.push(...idsOf(body));
    path = /^<(.*)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
  }
  return ids;
}

function idsOf(body: { data: { id: string }[] }): string[] {
  return body.data.map(({ id }) => id);
}

test('a filter that is no text is refused, not taken for another one', async t => {
  for (const value of ['%ff', '%', '%2', 'a%zz', '%C3', '%ED%A0%80', '%C0%80', 'caf%E9'])
    t.like((await api.send('GET', `/tasks?status=todo&q=${value}`)).body, {
      status: 400,
      errors: [{ path: 'q', message: 'must be percent-encoded UTF-8' }],
    });
  t.is((await api.send('GET', '/tasks?q%ff=x')).body.errors[0].path, 'q%ff');
  const raw = Buffer.from('GET /tasks?q=café HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  t.regex(await api.raw(raw), /^HTTP\/1\.1 400 /);
  for (const value of ['caf%C3%A9', 'a+b', 'a%20b', '%25', '%F0%9F%98%80'])
    t.is((await api.send('GET', `/tasks?q=${value}`)).status, 200, value);
});

test('pages by every sort, in both directions, are the whole list, and what has no such value stands last', async t => {
  const random = createRandom(t.log);
  t.is(sortsOf(tasks).length, 10);
  for (const sort of sortsOf(tasks)) {
    const limit = 1 + random.below(60);
    t.deepEqual(await walk(`sort=${sort}&limit=${limit}`), await idsBy(sort), `${sort} ${limit}`);
  }
});

test('priorities sort by rank, titles by code points, and without a sort the newest stand first', async t => {
  const firsts = async (query: string, field: string) => {
    const { body } = await api.send('GET', `/tasks?limit=200&${query}`);
    return [...new Set(body.data.map((task: Record<string, string>) => task[field]))];
  };
  t.deepEqual(await firsts('sort=-priority', 'priority'), ['urgent', 'high', 'normal']);
  t.deepEqual((await firsts('sort=title', 'title')).slice(0, 5), ['B', 'a', 'b', 'é', 'Ё']);
  t.deepEqual(await walk('limit=200'), await idsBy('-created_at'));
});

const FILTERS: Record<string, string> = {
  'status=todo': `status = 'todo'`,
  'status=todo&status=done': `status IN ('todo', 'done')`,
  'status=todo&priority=low&priority=urgent': `status = 'todo' AND priority IN ('low', 'urgent')`,
  'label=home': `'home' = ANY (labels)`,
  'label=l4&label=l6': `labels && ARRAY['l4', 'l6']`,
  'label=nobody': 'false',
  'source=s1&source=s2': `source IN ('s1', 's2')`,
  'due_before=2026-01-01T00:00:00.000004Z': `due_at < '2026-01-01 00:00:00.000004+00'`,
  'due_after=2026-01-01T00:00:00.000004Z': `due_at > '2026-01-01 00:00:00.000004+00'`,
  'due_after=2026-01-01T05:30:00.000002%2B05:30&due_before=2026-01-01T00:00:00.000006Z': `due_at > '2026-01-01 00:00:00.000002+00' AND due_at < '2026-01-01 00:00:00.000006+00'`,
  'due_before=2026-01-01T00:00:00.000002Z&due_before=2026-01-01T00:00:00.000004Z': `due_at < '2026-01-01 00:00:00.000004+00'`,
  'q=milk': `description LIKE '%milk%'`,
  'q=milk&status=done&label=home': `description LIKE '%milk%' AND status = 'done' AND 'home' = ANY (labels)`,
};
for (const [query, where] of Object.entries(FILTERS)) {
  test(`a list keeps to its filters on all its pages: ${query}`, async t => {
    for (const sort of ['-created_at', 'due_at', '-due_at', 'priority'])
      t.deepEqual(await walk(`${query}&sort=${sort}&limit=7`), await idsBy(sort, where), sort);
  });
}

test('a filter or a sort that cannot be met is refused, and the value named', async t => {
  const cases: Record<string, [string, RegExp]> = {
    'status=later': ['status', /must be todo, in_progress or done, not "later"/],
    'status=todo&status=Done': ['status', /not "Done"/],
    'priority=1': ['priority', /not "1"/],
    'status=': ['status', /must be todo/],
    'label=': ['label', /1 to 50/],
    [`label=${'x'.repeat(51)}`]: ['label', /1 to 50/],
    'label=%00': ['label', /U\+0000/],
    'source=': ['source', /1 to 100/],
    'due_before=tomorrow': ['due_before', /RFC 3339/],
    'due_after=2026-02-30T00:00:00Z': ['due_after', /calendar/],
    'q=': ['q', /1 to 500/],
    'q=%20%20': ['q', /1 to 500/],
    'q=%00': ['q', /U\+0000/],
    'q=a&q=b': ['q', /only once/],
    [`q=${'x'.repeat(501)}`]: ['q', /1 to 500/],
    'sort=id': ['sort', /must be one of created_at/],
    'sort=': ['sort', /must be one of/],
    'sort=%2Btitle': ['sort', /must be one of/],
    'sort=title&sort=title': ['sort', /only once/],
    'sort=--title': ['sort', /must be one of/],
    [`${'status=todo&'.repeat(101)}`]: ['status', /at most 100 times/],
  };
  for (const [query, [path, message]] of Object.entries(cases)) {
    const { status, body } = await api.send('GET', `/tasks?${query}`);
    t.is(status, 400, query);
    t.is(body.errors[0].path, path);
    t.regex(body.errors[0].message, message);
  }
});

test('a cursor is of one sort and of the same filters, however they are written', async t => {
  const first = await api.send('GET', '/tasks?sort=title&status=todo&status=done&limit=5');
  const on = (query: string) => api.send('GET', `/tasks?limit=5&cursor=${first.body.next_cursor}&${query}`);
  const next = await on('status=done&sort=title&status=todo&status=done');
  t.deepEqual(idsOf(next.body), (await idsBy('title', `status IN ('todo', 'done')`)).slice(5, 10));
  for (const query of [
    '',
    'sort=title',
    'sort=-title&status=todo&status=done',
    'sort=priority&status=todo&status=done',
    'sort=title&status=todo',
    'sort=title&status=todo&status=done&q=milk',
    'sort=title&priority=low&priority=high',
  ]) {
    const { status, body } = await on(query);
    t.is(status, 400, query);
    t.deepEqual([body.errors[0].path], ['cursor'], query);
  }
});

test('a cursor keeps microseconds, null keys, and titles of any characters', async t => {
  const title = `😀"\\\u2028 ${'ж'.repeat(190)}`;
  await crowded.psql.query(`INSERT INTO tasks (title, source) VALUES ($1, 'odd'), ($1, 'odd'), ($1, 'odd')`, [
    title,
  ]);
  for (const sort of sortsOf(tasks))
    t.deepEqual(
      await walk(`source=odd&sort=${sort}&limit=1`, crowded),
      await idsBy(sort, `source = 'odd'`, crowded),
      sort,
    );
});

test('words are found in any form, Russian and English, in title and description', async t => {
  const insert = (title: string, description: string | null = null) =>
    crowded.send('POST', '/tasks', { title, description, labels: ['words'] });
  await insert('Купить молоко', 'и проверить счета');
  await insert('Buying the boxes', 'Zürich, naïve; e-mail bob@example.com');
  await insert('The Who', 'https://example.com/a/b?c=d');
  const found = async (q: string) => {
    const { body } = await crowded.send('GET', `/tasks?label=words&sort=title&q=${encodeURIComponent(q)}`);
    return body.data.map((task: { title: string }) => task.title);
  };
  for (const q of ['молоко', 'МОЛОКОМ', 'молока купить', 'счёт or счетов', '"купить молоко"', 'молоко -хлеб'])
    t.deepEqual(await found(q), ['Купить молоко'], q);
  for (const q of ['buy box', 'boxes', 'BUYING', 'zürich', 'bob@example.com', 'the boxes', 'box -who'])
    t.deepEqual(await found(q), ['Buying the boxes'], q);
  // A word that the languages pass over is still a word as it is written.
  t.deepEqual(await found('who'), ['The Who']);
  for (const q of ['молоко -купить', '"молоко купить"', 'buys milk', '!!!', '-'])
    t.deepEqual(await found(q), [], q);
});

test('each part of what stands together is found, whatever its marks and however its letters are spelled', async t => {
  const texts: [title: string, found: string[], notFound?: string[]][] = [
    [
      'Fix Array<Number> parse, see PROJ-731 in docs/TODO',
      [
        'Array',
        'Number',
        '731',
        'proj',
        'docs',
        'TODO',
        'PROJ-731',
        'docs/TODO',
        'Array<Number>',
        '"see proj-731"',
        'fix -bug',
      ],
      ['-731', 'docs -todo', 'Num'],
    ],
    ['Read src/main.ts', ['main.ts', 'src', 'ts', 'src/main.ts', 'MAIN']],
    ['mail ann@mail.example.com', ['ann', 'example', 'mail.example', 'ann@mail.example.com']],
    [
      'see https://host.example/a/path?x=value',
      ['host', 'path', 'value', 'https://host.example/a/path?x=value'],
    ],
    ['snake_case_name v1.20.3', ['snake', 'case_name', 'v1.20', '20.3', 'v1']],
    ['<b>bold</b> a&amp;z', ['bold', 'amp']],
    ['Party 🎉 soon 👩‍🚀', ['🎉', 'party 🎉', '👩‍🚀', '🚀', 'party -🚒'], ['🚒', 'party -🎉']],
    ['Cafe\u0301 noir', ['café', 'cafe\u0301', 'CAFÉ']],
    ['Ｆｕｌｌ ｗｉｄｔｈ', ['full', 'width']],
    ['Ёлка «на площади» — ЖЁЛТАЯ', ['ёлка', 'ЁЛКА', 'площадь', 'жёлтую']],
    // What stands between two marks is one word: a part of it is not found.
    ['买牛奶，然后回家', ['买牛奶', '然后回家'], ['牛奶']],
  ];
  for (const [title, found, notFound = []] of texts) {
    const { body } = await crowded.send('POST', '/tasks', { title, labels: ['parts'] });
    const ids = async (q: string) => {
      const { body } = await crowded.send('GET', `/tasks?label=parts&q=${encodeURIComponent(q)}`);
      return body.data.map((task: { id: string }) => task.id);
    };
    for (const q of found) t.true((await ids(q)).includes(body.id), q);
    for (const q of notFound) t.false((await ids(q)).includes(body.id), q);
  }
});

test('no text that is searched for is an error', async t => {
  const random = createRandom(t.log);
  const pieces = [
    '"',
    "'",
    '-',
    ':*',
    '&',
    '|',
    '!',
    '(',
    ')',
    '<->',
    '<5>',
    '\\',
    ' or ',
    'a',
    'и',
    '%',
    '😀',
  ];
  const more = [
    '\u0001',
    '\u200b',
    '\ufeff',
    '\ud83d\ude00',
    '🏳️‍🌈',
    ':A',
    '\n',
    '\t',
    '--',
    '/*',
    '$1',
    'NULL',
    '{}',
  ];
  const hostile = [
    ...[...pieces, ...more].map(piece => piece.trim()).filter(Boolean),
    '"'.repeat(499),
    '-'.repeat(500),
    '- '.repeat(249),
    '-'.repeat(499).concat('a'),
    '-"" '.repeat(124),
    '"-'.repeat(250),
    '-a'.repeat(250),
    '-a -'.repeat(125),
    '--a '.repeat(125),
    '!'.repeat(500),
    ' or '.repeat(124).trim(),
    '-a or '.repeat(83).trim(),
    'x'.repeat(500),
    '😀'.repeat(500),
    'a/'.repeat(250),
    'a.b@c.'.repeat(83),
    ...Array.from(
      { length: 150 },
      () =>
        `x${Array.from({ length: 1 + random.below(60) }, () => random.pick([...pieces, ...more])).join('')}`,
    ),
  ];
  for (const q of hostile) {
    const { status, body } = await api.send('GET', `/tasks?limit=1&q=${encodeURIComponent(q)}`);
    t.is(status, q.trim().replace(/^\ufeff$/, '') === '' ? 400 : 200, JSON.stringify([q, body]));
  }
});

test('any task can be stored, whatever its words are', async t => {
  const random = createRandom(t.log);
  const different = Array.from({ length: 2_000 }, () => random.below(1e9).toString(36).slice(0, 4));
  for (const description of [
    'x'.repeat(10_000),
    '😀'.repeat(10_000),
    'a/'.repeat(5_000),
    'http://a.b/c?d=e '.repeat(580),
    `${different.join(' ')}`.slice(0, 10_000),
    '\u0001'.repeat(10_000),
  ]) {
    const { status } = await crowded.send('POST', '/tasks', {
      title: 'words',
      description,
      labels: ['stored'],
    });
    t.is(status, 201, description.slice(0, 20));
  }
});

/** How PostgreSQL would read a page: the kinds of its steps and the indexes it takes. */
async function planOf(options: Partial<ListOptions>) {
  const asked: { sql: string; values: readonly unknown[] }[] = [];
  const ask = async (query: (typeof asked)[0]) => void asked.push(query);
  const pool = { any: ask, query: ask, transaction: (body: (on: unknown) => unknown) => body(pool) };
  const page = { sort: '-created_at', filters: {}, after: undefined, limit: 51, ...options };
  await listEntities(pool as unknown as DatabasePool, tasks, page);
  const query = asked.pop();
  if (!query) throw new Error('nothing was asked');
  await planner.query('BEGIN');
  for (const { sql, values } of asked) await planner.query(sql, [...values]);
  const { rows } = await planner.query(`EXPLAIN (FORMAT JSON) ${query.sql.replaceAll('$slonik_', '$')}`, [
    ...query.values,
  ]);
  await planner.query('ROLLBACK');
  const text = JSON.stringify(rows[0]['QUERY PLAN']);
  return {
    indexes: [...text.matchAll(/"Index Name":"(\w+)"/g)].map(([, name]) => name),
    steps: [...text.matchAll(/"Node Type":"([^"]+)"/g)].map(([, type]) => type),
  };
}

test.serial('no page of any sort sorts the table: its index is walked', async t => {
  const { rows } = await crowded.psql.query('SELECT id FROM tasks ORDER BY id OFFSET 2500 LIMIT 1');
  const { id } = rows[0];
  const keys: Record<string, string[]> = { priority: ['2'], title: ['task 7'] };
  for (const sort of sortsOf(tasks)) {
    const name = sort.replace('-', '');
    const afters = (keys[name] ?? ['2026-11-23T05:38:12.345678Z']).map(key => ({ key, id }));
    const empty = name === 'due_at' ? [{ key: null, id }] : [];
    for (const after of [undefined, ...afters, ...empty]) {
      const { indexes, steps } = await planOf({ sort, after });
      t.deepEqual([...new Set(indexes)], [`tasks_by_${name}`], JSON.stringify({ sort, after, steps }));
      t.deepEqual(
        steps.filter(step => /Sort|Seq|Bitmap/.test(step ?? '')),
        [],
        sort,
      );
    }
  }
});

test.serial('words and a rare label are looked up, and no text is read for words', async t => {
  for (const sort of ['-created_at', 'title', '-due_at']) {
    for (const q of ['4711', 'task', 'nowhere', '"task 7"', 'task -4711']) {
      const { indexes, steps } = await planOf({ sort, filters: { q: [q] } });
      t.true(indexes.includes('tasks_by_search_words'), JSON.stringify([q, steps, indexes]));
      t.deepEqual(
        steps.filter(step => /^(Seq|Index) Scan/.test(step ?? '')),
        [],
        q,
      );
    }
    const label = await planOf({ sort, filters: { label: ['rare'] } });
    t.true(label.indexes.includes('tasks_by_label'), JSON.stringify(label));
  }
});

test('the past has one order and no filters', async t => {
  for (const query of ['sort=title', 'status=todo', 'q=milk']) {
    const answer: Answer = await api.send('GET', `/tasks?as_of=0&${query}`);
    t.like(answer.body, { status: 400, errors: [{ path: 'as_of' }] });
  }
});
