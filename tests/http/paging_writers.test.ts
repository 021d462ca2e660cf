// A long list, page by page, while sixteen writers insert and delete: PAGING_TASKS=10000 makes it longer.
import test from 'ava';
import { ownApi, type TestApi } from '../helpers/http.ts';
import { createRandom, type Random } from '../helpers/random.ts';

const TASKS = Number(process.env.PAGING_TASKS ?? 2_000);
const WRITERS = 16;
const SORTS = ['-created_at', 'updated_at', 'due_at', '-due_at', 'priority', '-title'];
const DOOMED = 0.2;

test(`of ${TASKS} tasks each that stays is listed exactly once, whatever sixteen writers insert and delete`, async t => {
  const random = createRandom(t.log);
  const api = await ownApi(t);
  const { staying, doomed } = await fill(api, random);
  const over = new AbortController();
  const written = { inserted: 0, deleted: 0 };
  const writers = Array.from({ length: WRITERS }, () =>
    writeUntil(over.signal, { api, random: random.fork(), doomed, written }),
  );
  const lists = Promise.all(SORTS.map(async sort => ({ sort, ...(await walk(api, sort, random.fork())) })));
  const listed = await lists.finally(() => over.abort());
  await Promise.all(writers);
  for (const { sort, ids, pages } of listed) {
    const unique = new Set(ids);
    t.is(unique.size, ids.length, `a task came twice by ${sort}`);
    t.deepEqual(
      [...staying].filter(id => !unique.has(id)),
      [],
      `tasks are missing by ${sort}`,
    );
    t.log(`${sort}: ${pages} pages, ${ids.length} tasks, ${staying.size} of them there from start to end`);
  }
  t.log(`meanwhile ${written.inserted} were inserted and ${written.deleted} deleted`);
  t.true(written.inserted > WRITERS && written.deleted > WRITERS, 'the writers had no time');
});

async function fill({ psql }: TestApi, random: Random) {
  const { rows } = await psql.query<{ id: string }>(
    `INSERT INTO tasks (title, priority, due_at)
     SELECT 'task ' || n % 500, (ARRAY['low', 'normal', 'high', 'urgent'])[1 + n % 4],
       CASE WHEN n % 3 > 0 THEN timestamptz '2026-01-01' + (n % 100) * interval '1 microsecond' END
     FROM generate_series(1, $1) AS n
     RETURNING id`,
    [TASKS],
  );
  const ids = rows.map(row => row.id);
  const doomed = ids.filter(() => random.chance(DOOMED));
  const gone = new Set(doomed);
  return { staying: new Set(ids.filter(id => !gone.has(id))), doomed };
}

interface Writer {
  api: TestApi;
  random: Random;
  /** Who may be deleted. */
  doomed: string[];
  written: { inserted: number; deleted: number };
}

// Into the middle of every list, where pages have been read and will be.
async function writeUntil(signal: AbortSignal, { api, random, doomed, written }: Writer): Promise<void> {
  while (!signal.aborted) {
    const victim = random.chance(0.5) ? doomed.splice(random.below(doomed.length), 1)[0] : undefined;
    if (victim !== undefined) {
      const { status } = await api.send('DELETE', `/tasks/${victim}`);
      if (status !== 204) throw new Error(`DELETE: ${status}`);
      written.deleted++;
      continue;
    }
    const due = `2026-01-01T00:00:00.${String(random.below(100)).padStart(6, '0')}Z`;
    const { status, body } = await api.send('POST', '/tasks', {
      title: `task ${random.below(500)}`,
      priority: random.pick(['low', 'normal', 'high', 'urgent']),
      due_at: random.chance(0.3) ? null : due,
    });
    if (status !== 201) throw new Error(`POST: ${status}`);
    written.inserted++;
    doomed.push(body.id);
  }
}

async function walk({ send }: TestApi, sort: string, random: Random) {
  const ids: string[] = [];
  let path: string | undefined = `/tasks?sort=${sort}&limit=${40 + random.below(20)}`;
  let pages = 0;
  while (path !== undefined) {
    const { status, headers, body } = await send('GET', path);
    if (status !== 200) throw new Error(`${path}: ${JSON.stringify(body)}`);
    ids.push(...body.data.map((task: { id: string }) => task.id));
    pages++;
    path = /^<(.*)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
  }
  return { ids, pages };
}
