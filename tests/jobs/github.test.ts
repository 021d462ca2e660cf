// Issues of a GitHub repository as tasks: all of them, once, politely, and the token for nobody else.
import { Writable } from 'node:stream';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { parse } from '../../src/config.ts';
import { createInstance } from '../../src/instance/instance.ts';
import { ADAPTERS } from '../../src/jobs/generator/adapters.ts';
import { readRateLimit } from '../../src/jobs/generator/github.ts';
import type { TaskGeneratorOptions } from '../../src/jobs/generator/task_generator.ts';
import type { WorkerOptions } from '../../src/jobs/worker.ts';
import { startGenerator } from '../fixtures/generator.ts';
import { asked, ISSUES, issues, repository } from '../fixtures/github.ts';
import { type Handler, startSource } from '../fixtures/source_server.ts';
import { createTestDatabase } from '../helpers/database.ts';

const TOKEN = 'ghp_hush0123456789';
const none = { fetched: 0, created: 0, updated: 0, unchanged: 0, rejected: 0, error: null };

/** A generator that reads a GitHub which answers like this, and what it was asked for. */
async function readGitHub(
  t: ExecutionContext,
  answer: Handler,
  { query = '', ...options }: Partial<WorkerOptions & TaskGeneratorOptions> & { query?: string } = {},
) {
  const generator = await startGenerator(t);
  const { source, startWorker, psql } = generator;
  const address = new URL(`${ISSUES}${query}`, source.url).href;
  source.answer(answer);
  await startWorker({ sources: [{ adapter: 'github', url: address }], ...options });
  const tasks = async () => (await psql.query('SELECT * FROM tasks ORDER BY created_at, id')).rows;
  const pages = () => source.requests.splice(0).map(request => asked(request).page);
  return { ...generator, address, tasks, pages };
}

/** Another server that answers the same whatever it is asked, and what it was asked. */
async function elsewhere(t: ExecutionContext, answer: Handler | object = []) {
  const other = await startSource(answer);
  t.teardown(other.close);
  return other;
}

test('open issues are to do, closed ones are done, with their labels', async t => {
  const list = issues(3, number => ({
    body: number === 1 ? 'What *happened*\r\nand when' : null,
    labels: number === 1 ? ['bug', { id: 5, name: 'good first issue', color: null }] : [],
  }));
  const { run, tasks, source } = await readGitHub(t, repository(list));
  t.like(await run(), { ...none, status: 'succeeded', fetched: 3, created: 3 });
  const [first, second, third] = await tasks();
  t.like(first, {
    title: 'issue 1',
    description: 'What *happened*\r\nand when',
    status: 'todo',
    labels: ['bug', 'good first issue'],
    source: 'github',
    external_id: '9001',
  });
  t.like(second, { status: 'todo', description: null, labels: [] });
  t.like(third, { status: 'done', external_id: '9003' });
  const { searchParams } = new URL(source.requests[0]?.url ?? '', source.url);
  t.deepEqual(Object.fromEntries(searchParams), {
    state: 'all',
    per_page: '100',
    sort: 'created',
    direction: 'asc',
  });
});

test('an issue that is closed later becomes done, and one that is reopened to do', async t => {
  const list = issues(3);
  const { run, tasks } = await readGitHub(t, repository(list));
  await run();
  Object.assign(list[0] ?? {}, { state: 'closed' });
  Object.assign(list[2] ?? {}, { state: 'open' });
  t.like(await run(), { ...none, fetched: 3, updated: 2, unchanged: 1 });
  t.deepEqual(
    (await tasks()).map(({ status }) => status),
    ['done', 'todo', 'todo'],
  );
});

test('pull requests are no tasks', async t => {
  const list = issues(4, number => (number % 2 === 0 ? { pull_request: { url: 'https://…' } } : {}));
  const { run, tasks } = await readGitHub(t, repository(list));
  t.like(await run(), { ...none, fetched: 2, created: 2 });
  t.deepEqual(
    (await tasks()).map(({ title }) => title),
    ['issue 1', 'issue 3'],
  );
});

test('all pages are read', async t => {
  const { run, tasks, pages } = await readGitHub(t, repository(issues(250)));
  t.like(await run(), { ...none, status: 'succeeded', fetched: 250, created: 250 });
  t.deepEqual(pages(), ['1', '2', '3']);
  t.is(new Set((await tasks()).map(({ external_id }) => external_id)).size, 250);
});

test('an issue that is opened while the pages are read is not lost, nor is any other', async t => {
  const list = issues(100);
  const github = repository(list);
  list.push(...issues(120).slice(100));
  const { run } = await readGitHub(t, (request, response) => {
    github(request, response);
    if (asked(request).page === '1') list.push(...issues(121).slice(120));
  });
  t.like(await run(), { ...none, fetched: 121, created: 121 });
});

test('what the address asks for is what is read', async t => {
  const query = '?state=open&labels=bug&per_page=2';
  const { run, source } = await readGitHub(t, repository(issues(3)), { query });
  t.like(await run(), { fetched: 3 });
  t.deepEqual(source.requests.map(asked), [
    { page: '1', state: 'open' },
    { page: '2', state: 'open' },
  ]);
  t.true(source.requests.every(({ url }) => url?.includes('labels=bug')));
});

test('issues that break a rule of tasks are rejected with their reason, and the others go on', async t => {
  const broken: Record<number, object> = {
    1: { title: 'x'.repeat(201) },
    2: { body: 'x'.repeat(10_001) },
    3: { labels: Array.from({ length: 21 }, (_, index) => `label ${index}`) },
    4: { labels: [{ name: 'x'.repeat(51) }] },
    5: { labels: [{ color: 'red' }] },
    6: { state: 'sleeping' },
    7: { body: '🙂'.repeat(10_000) },
  };
  const { run, tasks } = await readGitHub(t, repository(issues(8, number => broken[number] ?? {})));
  const { rejections, ...counts } = await run();
  t.like(counts, { ...none, status: 'succeeded', fetched: 8, created: 2, rejected: 6 });
  const reasons = new Map(rejections.map(({ external_id, reason }) => [external_id, reason]));
  t.regex(reasons.get('9001') ?? '', /^title must have 1 to 200 characters/);
  t.regex(reasons.get('9002') ?? '', /^description .*10.?000/);
  t.regex(reasons.get('9003') ?? '', /^labels /);
  t.regex(reasons.get('9004') ?? '', /^labels /);
  t.regex(reasons.get('9005') ?? '', /^entry 5 of page 1: labels\.0 must be a name/);
  t.regex(reasons.get('9006') ?? '', /^entry 6 of page 1: state must be "open" or "closed"$/);
  t.deepEqual(
    (await tasks()).map(({ title }) => title),
    ['issue 7', 'issue 8'],
  );
});

test('a page that has not changed is not sent again, and counts as before', async t => {
  const list = issues(150, number => (number === 7 ? { title: '' } : {}));
  const { run, source, tasks } = await readGitHub(t, repository(list));
  t.like(await run(), { fetched: 150, created: 149, rejected: 1 });
  t.deepEqual(
    source.requests.splice(0).map(({ headers }) => headers['if-none-match']),
    [undefined, undefined],
  );
  const before = await tasks();
  t.like(await run(), { ...none, status: 'succeeded', fetched: 150, unchanged: 149, rejected: 1 });
  t.true(source.requests.splice(0).every(({ headers }) => headers['if-none-match']?.startsWith('W/"')));
  t.deepEqual(await tasks(), before);

  Object.assign(list[120] ?? {}, { title: 'renamed' });
  t.like(await run(), { fetched: 150, updated: 1, unchanged: 148, rejected: 1 });
});

test('what could not be imported from a page is tried again, though the page has not changed', async t => {
  const { run, psql } = await readGitHub(t, repository(issues(3)));
  await psql.query(`ALTER TABLE tasks ADD CONSTRAINT picky CHECK (title <> 'issue 2')`);
  t.like(await run(), { created: 2, rejected: 1 });
  await psql.query('ALTER TABLE tasks DROP CONSTRAINT picky');
  t.like(await run(), { ...none, fetched: 3, created: 1, unchanged: 2 });
});

test('the first issue after a full page is found, though that page has not changed', async t => {
  const list = issues(100);
  const { run, pages } = await readGitHub(t, repository(list));
  t.like(await run(), { created: 100 });
  list.push(...issues(101).slice(100));
  pages();
  t.like(await run(), { ...none, fetched: 101, created: 1, unchanged: 100 });
  t.deepEqual(pages(), ['1', '2']);
});

for (const status of [403, 429]) {
  test(`a spent rate limit (${status}) fails the run and says when it resets`, async t => {
    const reset = Math.floor(Date.now() / 1000) + 3_000;
    const { run, address, source } = await readGitHub(
      t,
      (_request, response) => {
        response.writeHead(status, { 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': String(reset) });
        response.end('{"message": "API rate limit exceeded"}');
      },
      { retryFor: 30_000 },
    );
    const { error, ...counts } = await run();
    t.like(counts, { status: 'failed', fetched: 0 });
    const when = new Date(reset * 1000).toISOString().replace('.000Z', 'Z');
    t.true(error?.startsWith(`github: ${address}?… answered ${status} `), error ?? '');
    t.true(error?.endsWith(`: rate limit, resets at ${when}`), error ?? '');
    t.is(source.requests.length, 1);
  });
}

test('a rate limit that passes soon is waited for', async t => {
  const github = repository(issues(2));
  const { run, source } = await readGitHub(
    t,
    (request, response) => {
      if (source.requests.length > 1) github(request, response);
      else response.writeHead(403, { 'Retry-After': '0' }).end();
    },
    { retryFor: 30_000 },
  );
  t.like(await run(), { ...none, status: 'succeeded', fetched: 2, created: 2 });
  t.is(source.requests.length, 2);
});

test('a rate limit in the middle leaves what was read before it', async t => {
  const github = repository(issues(300));
  const { run, tasks } = await readGitHub(t, (request, response) => {
    if (asked(request).page !== '3') github(request, response);
    else response.writeHead(403, { 'Retry-After': '60' }).end();
  });
  const { status, error, created } = await run();
  t.deepEqual([status, created], ['failed', 200]);
  t.regex(error ?? '', /rate limit, asks to wait 60 s$/);
  t.is((await tasks()).length, 200);
});

test('a rate limit is told from a refusal, and its end is never earlier than a second from now', t => {
  const now = Date.parse('2026-11-23T10:00:00Z');
  const spent = (reset: string) => ({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset });
  const soon = String(now / 1000 + 20);
  t.deepEqual(readRateLimit({ status: 403, headers: spent(soon) }, now), {
    reason: 'rate limit, resets at 2026-11-23T10:00:20Z',
    retryAfter: 20_000,
  });
  t.is(readRateLimit({ status: 429, headers: spent(String(now / 1000 - 5)) }, now)?.retryAfter, 1_000);
  const both = { ...spent(soon), 'retry-after': '40' };
  t.is(readRateLimit({ status: 403, headers: both }, now)?.retryAfter, 40_000);
  t.is(readRateLimit({ status: 403, headers: { 'x-ratelimit-remaining': '41' } }, now), undefined);
  t.is(readRateLimit({ status: 403, headers: spent('soon') }, now), undefined);
  t.is(readRateLimit({ status: 404, headers: both }, now), undefined);
});

test('a refusal that is no rate limit is named as it is', async t => {
  const { run, address } = await readGitHub(t, (_request, response) => {
    response.writeHead(404, { 'X-RateLimit-Remaining': '41' }).end('{"message": "Not Found"}');
  });
  t.like(await run(), { status: 'failed', error: `github: ${address}?… answered 404 Not Found` });
});

test('an answer that is no list of issues fails the run', async t => {
  const { run, address } = await readGitHub(t, (_request, response) => response.end('{"issues": []}'));
  t.like(await run(), { status: 'failed', error: `github: ${address}?… did not answer with a list` });
});

test('pages that lead in a circle are noticed', async t => {
  const { run } = await readGitHub(t, (request, response) => {
    response.setHeader('Link', `<${request.url}>; rel="next"`).end(JSON.stringify(issues(1)));
  });
  const { status, error } = await run();
  t.is(status, 'failed');
  t.regex(error ?? '', /leads back to a page that was read$/);
});

test('pages without end are read no further than a bound, and the run says so', async t => {
  const { run, source } = await readGitHub(
    t,
    (request, response) => {
      const page = Number(asked(request).page);
      response.setHeader('Link', `<${request.url?.split('?')[0]}?page=${page + 1}>; rel="next"`).end('[]');
    },
    { limits: { requests: 25 } },
  );
  t.like(await run(), {
    status: 'failed',
    error: 'github: has no end within 25 requests: it is read no further',
  });
  t.is(source.requests.length, 25);
});

test('pages that differ in nothing that is sent are the same page', async t => {
  let links = 0;
  const { run, source } = await readGitHub(t, (request, response) => {
    response.setHeader('Link', `<${request.url}#${links++}>; rel="next"`).end('[]');
  });
  t.regex((await run()).error ?? '', /leads back to a page that was read$/);
  t.is(source.requests.length, 1);
});

test('bytes and items without end are read no further either, and what came before stays', async t => {
  const list = issues(200, () => ({ body: 'x'.repeat(1_000) }));
  for (const [limits, fetched, bound] of [
    [{ bytes: 150_000 }, 100, '150,000 bytes'],
    [{ items: 150 }, 150, '150 items'],
  ] as const) {
    const { run } = await readGitHub(t, repository(list), { limits });
    const error = `github: has no end within ${bound}: it is read no further`;
    t.like(await run(), { status: 'failed', fetched, created: 100, error });
  }
});

test('a Link header that cannot be read fails the run, one with an anchor elsewhere is no next page', async t => {
  const { run, source } = await readGitHub(t, (_request, response) => {
    response.setHeader('Link', '<?page=2; rel=next').end(JSON.stringify(issues(1)));
  });
  t.regex((await run()).error ?? '', /has a Link header that cannot be read$/);
  source.requests.splice(0);
  source.answer((_request, response) => {
    response.setHeader('Link', '<?page=2>; anchor="https://elsewhere.invalid/"; rel=next').end('[]');
  });
  t.like(await run(), { status: 'succeeded' });
  t.is(source.requests.length, 1);
});

test('all pages are read, in whatever form the next one is named', async t => {
  const { run } = await readGitHub(t, (request, response) => {
    const page = Number(asked(request).page);
    const next = `<?page=${page + 1}> ; title="<?page=9>; rel=next, " ; rel = "last NEXT"`;
    if (page < 3) response.setHeader('Link', next);
    response.end(JSON.stringify(issues(page).slice(-1)));
  });
  t.like(await run(), { status: 'succeeded', fetched: 3, created: 3 });
});

test('the secondary limit without Retry-After is told in the words of GitHub', async t => {
  const message = 'You have exceeded a secondary rate limit. Please wait a few minutes before you try again.';
  const { run, address } = await readGitHub(t, (_request, response) => {
    response.writeHead(403, { 'Content-Type': 'application/json', 'X-RateLimit-Remaining': '4000' });
    response.end(JSON.stringify({ message, documentation_url: 'https://docs.github.invalid' }));
  });
  t.like(await run(), { status: 'failed', error: `github: ${address}?… answered 403 Forbidden: ${message}` });
});

test('the token goes with every page, and without one nothing does', async t => {
  const { run, source } = await readGitHub(t, repository(issues(3)), {
    query: '?per_page=1',
    tokens: { github: TOKEN, sample: 'another' },
  });
  await run();
  t.deepEqual(
    source.requests.map(({ headers }) => headers.authorization),
    Array(3).fill(`Bearer ${TOKEN}`),
  );
  const anonymous = await readGitHub(t, repository(issues(1)));
  await anonymous.run();
  t.is(anonymous.source.requests[0]?.headers.authorization, undefined);
});

test('a next page on another host is not asked for, and the run says so', async t => {
  const other = await elsewhere(t, issues(1));
  const { run, source } = await readGitHub(
    t,
    (_request, response) => {
      response.setHeader('Link', `<${other.url}>; rel="next"`).end(JSON.stringify(issues(1)));
    },
    { tokens: { github: TOKEN } },
  );
  const { status, error } = await run();
  t.is(status, 'failed');
  t.true(error?.endsWith(`names a next page that is not on ${new URL(source.url).host}`), error ?? '');
  t.is(other.requests.length, 0);
});

test('a redirect to another host is told nothing, one on the same host is told the token', async t => {
  const other = await elsewhere(t);
  const { run, source } = await readGitHub(
    t,
    (request, response) => {
      const moved = request.url?.startsWith('/repositories/');
      const Location = moved ? other.url : '/repositories/1/issues';
      response.writeHead(moved ? 302 : 301, { Location }).end();
    },
    { tokens: { github: TOKEN } },
  );
  await run();
  t.deepEqual(
    source.requests.map(({ headers }) => headers.authorization),
    Array(2).fill(`Bearer ${TOKEN}`),
  );
  t.deepEqual(other.requests, []);
});

test('the token is in no log, no error, no event and no answer of a whole instance', async t => {
  const written: string[] = [];
  const write = (chunk: unknown, _encoding: string, done: () => void) => {
    written.push(String(chunk));
    done();
  };
  const logger = pino({ level: 'trace' }, new Writable({ write }));
  const source = await elsewhere(t);
  const other = await elsewhere(t, (_request, response) => response.writeHead(404).end());
  const database = await createTestDatabase();
  const config = parse(
    {
      PORT: '0',
      DATABASE_URL: database.url,
      GENERATOR_CRON: 'off',
      RATES_CRON: 'off',
      TASK_SOURCES: `github=${new URL(ISSUES, source.url)}`,
      GITHUB_TOKEN: TOKEN,
    },
    Object.values(ADAPTERS),
  );
  const instance = createInstance({ config, databaseUrl: database.url, directUrl: database.url, logger });
  t.teardown(async () => {
    await instance.stop();
    await database.drop();
  });
  await instance.start();
  const answers: string[] = [];
  const ask = async (path: string, method = 'GET') =>
    answers.push(await (await fetch(`${instance.address}${path}`, { method })).text());
  const faults: Handler[] = [
    repository(issues(2)),
    (_request, response) => response.writeHead(401).end(),
    (_request, response) => response.end('no JSON'),
    (_request, response) => response.setHeader('Link', '<http://[>; rel="next"').end('[]'),
    (_request, response) => response.writeHead(302, { Location: other.url }).end(),
    (_request, response) => response.writeHead(302, { Location: 'http://[' }).end(),
    (_request, response) => response.writeHead(403, { 'Retry-After': '600' }).end(),
  ];
  for (const fault of faults) {
    source.answer(fault);
    await ask('/task-generator/run?wait=30', 'POST');
  }
  for (const path of ['/task-generator', '/task-generator/runs', '/tasks']) await ask(path);
  const psql = await database.psql();
  const { rows } = await psql.query(`SELECT coalesce(json_agg(s), '[]')::text AS all FROM feed.staged AS s
    UNION ALL SELECT coalesce(json_agg(e), '[]')::text FROM feed.events AS e
    UNION ALL SELECT json_agg(r)::text FROM runs AS r`);
  t.true(source.requests.every(({ headers }) => headers.authorization === `Bearer ${TOKEN}`));
  const outcomes = answers.slice(0, faults.length).map(answer => JSON.parse(answer).status);
  t.deepEqual(outcomes, ['succeeded', ...Array(faults.length - 1).fill('failed')]);
  t.regex(written.join(''), /the run ended/);
  for (const text of [...written, ...answers, JSON.stringify(rows)]) t.false(text.includes(TOKEN), text);
});
