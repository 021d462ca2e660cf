// What takes long in the database, and whoever wants something else of it meanwhile.
import anyTest, { type TestFn } from 'ava';
import { senderTo } from '../helpers/http.ts';
import { type Context, withInstance } from '../helpers/instance.ts';
import { readValue } from '../helpers/sql.ts';
import { until } from '../helpers/until.ts';

const test = anyTest as TestFn<Context>;
withInstance(test, { DATABASE_POOL_SIZE: '6' });

const SEARCHES = `SELECT count(*)::integer FROM pg_stat_activity
  WHERE datname = current_database() AND state = 'active' AND query LIKE '%websearch_to_tsquery%' AND pid <> pg_backend_pid()`;
const CROWD = 40;

// A phrase whose words stand in every task, and nowhere in this order: each task must be read for it.
const WORDS = Array.from({ length: 70 }, (_, n) => `word${n}`);
const PHRASE = `"${[...WORDS].reverse().join(' ')}"`.slice(0, 499);

test('while a crowd searches for phrases others write as ever, and each of the crowd is told what became of its search', async t => {
  const { instance, database } = t.context;
  const psql = await database.psql();
  await psql.query(
    `INSERT INTO tasks (title, description) SELECT 'task ' || n, $1 FROM generate_series(1, 4000) AS n`,
    [`${WORDS.join(' ')} `.repeat(18).slice(0, 9_900)],
  );
  await psql.query('VACUUM ANALYZE tasks');
  const send = senderTo(instance.address);
  let over = 0;
  const crowd = Array.from({ length: CROWD }, async () => {
    const answer = await send('GET', `/tasks?q=${encodeURIComponent(PHRASE)}`);
    over++;
    return answer;
  });
  await until(async () => readValue(psql, SEARCHES), Boolean);
  const began = performance.now();
  const { status } = await send('POST', '/tasks', { title: 'written meanwhile' });
  t.is(status, 201);
  t.log(`POST took ${Math.round(performance.now() - began)} ms, ${over} of the crowd answered`);
  t.true(over < CROWD, 'the crowd is still there');
  const answers = await Promise.all(crowd);
  for (const { status, headers, body } of answers) {
    if (status === 200) continue;
    t.is(status, 503);
    t.true(['/problems/busy', '/problems/timeout'].includes(body.type), body.type);
    t.true(Number(headers.get('retry-after')) > 0);
  }
  const told = answers.map(({ status, body }) => body.type ?? status);
  t.log(
    `busy: ${told.filter(type => type === '/problems/busy').length} of ${CROWD}, timeouts: ${told.filter(type => type === '/problems/timeout').length}`,
  );
  t.true(told.includes('/problems/busy'), 'a lane that stays full says so');
});
