// Row security that leaves the service without a policy is said in words: PostgreSQL itself only shows nothing.
import test from 'ava';
import { pino } from 'pino';
import { createTestDatabase } from '../helpers/database.ts';
import { read } from '../helpers/http.ts';
import { createTestInstance } from '../helpers/instance.ts';
import { until } from '../helpers/until.ts';

const WORDS =
  'row security keeps the table public.tasks from the role taskwire_app: it has no policy for SELECT, INSERT, UPDATE, DELETE. CREATE POLICY … ON public.tasks TO taskwire_app USING (true)';

test('a table that row security closes to the service is named at the start and in readiness, until it has a policy', async t => {
  const database = await createTestDatabase();
  const psql = await database.psql();
  await psql.query('ALTER TABLE tasks ENABLE ROW LEVEL SECURITY');
  const lines: string[] = [];
  const log = pino({ level: 'warn' }, { write: line => void lines.push(JSON.parse(line).msg) });
  const instance = createTestInstance(database.url, {}, log);
  t.teardown(async () => {
    await instance.stop();
    await database.drop();
  });
  await instance.start();
  t.true(lines.includes(WORDS));
  const ready = async () => read(await fetch(`${instance.address}/health/ready`));
  t.like(await ready(), { status: 503, body: { reasons: [WORDS] } });

  await psql.query('CREATE POLICY reading ON tasks FOR SELECT TO PUBLIC USING (true)');
  t.deepEqual((await ready()).body.reasons, [WORDS.replace('SELECT, ', '')]);
  await psql.query('CREATE POLICY everything ON tasks TO taskwire_app USING (true)');
  await until(async () => (await ready()).status === 200);
  const created = await fetch(`${instance.address}/tasks`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ title: 'behind a policy' }),
  });
  t.is(created.status, 201);

  // One whose role only others have is none.
  await psql.query('ALTER TABLE currencies ENABLE ROW LEVEL SECURITY');
  await psql.query('CREATE POLICY theirs ON currencies TO taskwire_reader USING (true)');
  t.is((await ready()).body.reasons.length, 1);
});
