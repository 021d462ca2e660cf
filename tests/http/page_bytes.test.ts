// Pages end at about 1 MiB, however many rows may stand on them; the rest is behind their cursor.
import test from 'ava';
import { withApi } from '../helpers/http.ts';
import { readValue, sequence } from '../helpers/sql.ts';

const api = withApi(test);
const MIB = 1024 * 1024;
const LARGE = `repeat(E'\\x01', 10000)`; // 60 kB in JSON

async function readAll(path: string): Promise<{ rows: Record<string, string>[]; sizes: number[] }> {
  const rows: Record<string, string>[] = [];
  const sizes: number[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const separator = path.includes('?') ? '&' : '?';
    const answer: Response = await api.request(cursor === '' ? path : `${path}${separator}cursor=${cursor}`);
    const text = await answer.text();
    const { data, next_cursor } = JSON.parse(text);
    sizes.push(text.length);
    rows.push(...data);
    cursor = next_cursor;
  }
  return { rows, sizes };
}

test.serial(
  'a list of large rows, of now and as it was, comes in pages that are small and has each once',
  async t => {
    await api.psql.query(
      `INSERT INTO tasks (title, description, source) SELECT 'large ' || n, ${LARGE}, 'large' FROM generate_series(1, 60) AS n`,
    );
    await sequence(api.psql);
    const head = await readValue<string>(api.psql, 'SELECT max(last_position) FROM feed.event_batches');
    const lists = ['', '&sort=title', '&sort=due_at', '&source=large', '&q=large', `&as_of=${head}`];
    for (const rest of lists) {
      const { rows, sizes } = await readAll(`/tasks?limit=200${rest}`);
      t.true(sizes.length >= 4 && sizes.every(size => size < 1.2 * MIB), `${rest}: ${sizes}`);
      t.is(new Set(rows.map(({ id }) => id)).size, 60, rest);
      t.is(rows.length, 60, rest);
    }
  },
);

test.serial('a history of large changes comes in pages that are small and has each once', async t => {
  const { body: task } = await api.send('POST', '/tasks', { title: 'history' });
  for (let n = 0; n < 20; n++)
    await api.psql.query(`UPDATE tasks SET description = repeat(chr($1), 10000) WHERE id = $2`, [
      1 + n,
      task.id,
    ]);
  await sequence(api.psql);
  const { rows, sizes } = await readAll(`/tasks/${task.id}/history`);
  t.true(sizes.length >= 2 && sizes.every(size => size < 1.3 * MIB), String(sizes));
  t.is(rows.length, 21);
});

test.serial('a batch whose answer would be large is refused as a whole, and says what to do', async t => {
  const { rows } = await api.psql.query(
    `INSERT INTO tasks (title, description) SELECT 'batch', ${LARGE} FROM generate_series(1, 80) RETURNING id`,
  );
  const operations = rows.map(({ id }) => ({ op: 'update', id, task: { status: 'done' } }));
  const { status, body } = await api.send(
    'POST',
    '/tasks/batch',
    { operations },
    { 'Idempotency-Key': 'large' },
  );
  t.is(status, 413);
  t.regex(body.detail, /^operation \d+: the answer would have more than 4 MiB; send fewer operations$/);
  t.is(
    await readValue(api.psql, `SELECT count(*)::int FROM tasks WHERE title = 'batch' AND status = 'done'`),
    0,
  );
  const fewer = { operations: operations.slice(0, 40) };
  t.is((await api.send('POST', '/tasks/batch', fewer, { 'Idempotency-Key': 'large' })).status, 200);
});
