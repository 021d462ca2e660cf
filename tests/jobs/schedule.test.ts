// When runs happen by themselves.
import test from 'ava';
import { startGenerator } from '../fixtures/generator.ts';
import { todos } from '../fixtures/source_server.ts';
import { until } from '../helpers/until.ts';

const NEW_YEAR = '0 0 1 1 *';

test('the first start of all makes a run, and later ones do not', async t => {
  const { source, psql, startWorker, ended } = await startGenerator(t);
  source.answer(todos(2));
  const workers = await Promise.all([1, 2, 3].map(() => startWorker({ cron: NEW_YEAR })));
  const runs = async () => (await psql.query<{ id: string }>('SELECT id FROM runs')).rows;
  const [first] = await until(runs, rows => rows.length > 0);
  t.like(await ended(first?.id ?? ''), { status: 'succeeded', created: 2 });
  await Promise.all(workers.map(worker => worker.stop()));
  await startWorker({ cron: NEW_YEAR });
  t.is((await runs()).length, 1);
});

test('without a schedule there is no run until somebody asks for one', async t => {
  const { source, psql, startWorker, run } = await startGenerator(t);
  source.answer(todos(2));
  await startWorker({ cron: undefined });
  t.deepEqual((await psql.query('SELECT FROM runs')).rowCount, 0);
  t.deepEqual((await psql.query('SELECT FROM graphile_worker._private_known_crontabs')).rowCount, 0);
  t.like(await run(), { status: 'succeeded', created: 2 });
});

test('without sources the first start makes no run, and one that is asked for succeeds', async t => {
  const { psql, startWorker, run } = await startGenerator(t);
  await startWorker({ cron: NEW_YEAR, sources: [] });
  t.is((await psql.query('SELECT FROM runs')).rowCount, 0);
  t.like(await run(), { status: 'succeeded', fetched: 0 });
});

test('when the schedule is due, a run is made', async t => {
  const { source, psql, startWorker, ended } = await startGenerator(t);
  source.answer(todos(2));
  await startWorker();
  await due(psql);
  const [run] = await until(
    async () => (await psql.query('SELECT id FROM runs')).rows,
    rows => rows.length > 0,
  );
  t.like(await ended(run.id), { status: 'succeeded', created: 2 });
});

test('a schedule whose worker died while it was due is freed', async t => {
  const { psql, startWorker } = await startGenerator(t);
  await due(psql);
  await psql.query(
    `UPDATE graphile_worker._private_jobs SET attempts = 1, locked_by = 'dead', locked_at = now() - interval '11 seconds'`,
  );
  await startWorker();
  await until(async () => (await psql.query('SELECT FROM runs')).rowCount === 1);
  t.pass();
});

test('the sample that ships with the service needs no network', async t => {
  const { psql, startWorker, run } = await startGenerator(t);
  await startWorker({ sources: [{ adapter: 'sample', url: undefined }] });
  t.like(await run(), { status: 'succeeded', fetched: 8, created: 8, rejected: 0 });
  t.like(await run(), { unchanged: 8 });
  const { rows } = await psql.query(`SELECT DISTINCT source FROM tasks`);
  t.deepEqual(rows, [{ source: 'sample' }]);
});

// What graphile-worker does when a minute comes that the schedule names.
async function due(psql: { query(text: string): Promise<unknown> }): Promise<void> {
  await psql.query(`SELECT graphile_worker.add_job(
    'queue_run', '{"kind": "task_generator"}', max_attempts => 10, job_key => 'schedule:task_generator')`);
}
