// A run survives whatever happens to those who run it, and is run once.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { claimRun } from '../../src/queries/run_session.ts';
import { type Generator, logger, startGenerator } from '../fixtures/generator.ts';
import { held, todos } from '../fixtures/source_server.ts';
import { SERVICE } from '../helpers/database.ts';
import { until } from '../helpers/until.ts';

const WORKER = fileURLToPath(new URL('../fixtures/worker_process.ts', import.meta.url));

async function spawnWorker(
  t: { teardown(end: () => void): void },
  { database, source }: Generator,
): Promise<ChildProcess> {
  const child = spawn(process.execPath, [WORKER, database.url, source.url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

const notFound = {
  fetched: 0,
  created: 0,
  updated: 0,
  unchanged: 0,
  rejected: 0,
  rejections: [],
  error: null,
};

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

test('of many workers one executes a run', async t => {
  const { source, startWorker, run, ask, ended, staged } = await startGenerator(t);
  source.answer(todos(20));
  await Promise.all([1, 2, 3, 4].map(() => startWorker()));
  const asked = await Promise.all([1, 2, 3, 4, 5].map(ask));
  t.is(new Set(asked.map(({ id }) => id)).size, 1);
  t.like(await ended(asked[0]?.id ?? ''), { status: 'succeeded', attempt: 1, created: 20 });
  t.is(source.requests.length, 1);
  t.is((await staged()).length, 20);
  t.like(await run(), { unchanged: 20 });
  t.is(source.requests.length, 2);
});

test('a run whose process is killed while it reads is taken up by another worker', async t => {
  const generator = await startGenerator(t);
  const { source, psql, startWorker, ask, ended, staged } = generator;
  const first = held(todos(30));
  source.answer(first.handler);
  const child = await spawnWorker(t, generator);
  const { id } = await ask();
  await first.asked;
  await kill(child);
  source.answer(todos(30));
  await startWorker();
  t.like(await ended(id), { status: 'succeeded', attempt: 2, created: 30 });
  t.deepEqual(
    (await staged('runs')).map(({ data }) => [data.status, data.attempt, data.error]),
    [
      ['queued', 1, null],
      ['running', 1, null],
      ['failed', 1, 'the process that ran it died'],
      ['queued', 2, null],
      ['running', 2, null],
      ['succeeded', 2, null],
    ],
  );
  // Neither the dead worker's job is left behind nor, once it is done, its successor's.
  await until(async () => (await psql.query('SELECT FROM graphile_worker.jobs')).rowCount === 0);
});

test('a run whose process is killed while it imports loses nothing and does nothing twice', async t => {
  const generator = await startGenerator(t);
  const { source, psql, database, startWorker, ask, ended, staged } = generator;
  source.answer(todos(250));
  const child = await spawnWorker(t, generator);
  // A person's own insert, not yet committed, holds the import up in its middle.
  await psql.query(
    `BEGIN; INSERT INTO tasks (title, source, external_id) VALUES ('mine', 'jsonplaceholder', '151')`,
  );
  const { id } = await ask();
  const observer = await database.psql();
  await until(async () => {
    const { rowCount } = await observer.query(`SELECT FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'taskwire run' AND wait_event_type = 'Lock'`);
    return rowCount === 1;
  });
  await kill(child);
  await psql.query('ROLLBACK');
  await startWorker();
  const run = await ended(id);
  t.like(run, { status: 'succeeded', attempt: 2, fetched: 250 });
  t.true(run.unchanged >= 150, 'what the first attempt brought was committed');
  const events = await staged();
  t.is(events.length, 250);
  t.is(new Set(events.map(({ data }) => data.external_id)).size, 250);
  t.deepEqual((await psql.query('SELECT * FROM feed.verify()')).rows, []);
});

test('a job that died in the hands of a worker before the run was claimed is replaced', async t => {
  const { source, psql, startWorker, ask, ended } = await startGenerator(t);
  source.answer(todos(1));
  const { id } = await ask();
  await psql.query(
    `UPDATE graphile_worker._private_jobs SET locked_at = now(), locked_by = 'dead', attempts = 1`,
  );
  await startWorker();
  t.like(await ended(id), { status: 'succeeded', attempt: 1, created: 1 });
  await until(async () => (await psql.query('SELECT FROM graphile_worker.jobs')).rowCount === 0);
});

test('a queued run whose job is gone gets another', async t => {
  const { source, psql, startWorker, ask, ended } = await startGenerator(t);
  source.answer(todos(1));
  const { id } = await ask();
  await psql.query('DELETE FROM graphile_worker._private_jobs');
  await startWorker();
  t.like(await ended(id), { status: 'succeeded', attempt: 1 });
});

test('a job that no worker heard of is found', async t => {
  const { source, psql, startWorker, ask, ended } = await startGenerator(t);
  source.answer(todos(1));
  await startWorker();
  await psql.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'LISTEN%'`);
  t.like(await ended((await ask()).id), { status: 'succeeded' });
});

test('a run that kills its process again and again is given up', async t => {
  const { psql, database, ask, ended, staged } = await startGenerator(t);
  const { id } = await ask();
  for (let attempt = 1; attempt <= 5; attempt++) {
    const session = await claimRun({ service: SERVICE, url: database.url, id, attempt });
    await session?.end(); // as a killed process does: without a word
    await until(
      async () =>
        (await psql.query('SELECT finding FROM sweep_runs() WHERE run_id IS NOT NULL')).rowCount === 1,
    );
  }
  const run = await ended(id);
  t.like(run, {
    status: 'failed',
    attempt: 5,
    error: 'given up: the process that ran it died, at attempt 5 of 5',
  });
  t.is((await staged('runs')).filter(({ type }) => type === 'run_failed').length, 5);
  const next = await ask();
  t.not(next.id, id);
  t.like(next, { status: 'queued', attempt: 1 });
});

test('asking for a run while a dead one stands in the way starts that one again', async t => {
  const { database, ask } = await startGenerator(t);
  const { id } = await ask();
  const session = await claimRun({ service: SERVICE, url: database.url, id, attempt: 1 });
  await session?.end();
  t.like(await until(ask, run => run.attempt === 2), { id, status: 'queued' });
});

test('a claimed run is claimed by nobody else, and is left alone by the sweeper', async t => {
  const { database, psql, ask } = await startGenerator(t);
  const { id } = await ask();
  const session = await claimRun({ service: SERVICE, url: database.url, id, attempt: 1 });
  t.is(await claimRun({ service: SERVICE, url: database.url, id, attempt: 1 }), undefined);
  await psql.query(
    `UPDATE runs SET queued_at = now() - interval '1 hour', started_at = now() - interval '1 hour'`,
  );
  t.is((await psql.query('SELECT FROM sweep_runs() WHERE run_id IS NOT NULL')).rowCount, 0);
  await session?.end();
});

test('a session that lost its run cannot finish it', async t => {
  const { database, psql, ask } = await startGenerator(t);
  const { id } = await ask();
  const session = await claimRun({ service: SERVICE, url: database.url, id, attempt: 1 });
  await psql.query(`SELECT requeue_run(r) FROM runs AS r`);
  t.is(await session?.finish(notFound), false);
  await session?.handBack();
  t.like(await ask(), { status: 'queued', attempt: 2 });
  await session?.end();
});

test('a worker that is stopped hands its run back at once, and another finishes it', async t => {
  const { source, startWorker, ask, ended, staged, database } = await startGenerator(t);
  const first = held(todos(5));
  source.answer(first.handler);
  const worker = await startWorker();
  const { id } = await ask();
  await first.asked;
  await worker.stop();
  const { rows } = await (await database.psql()).query('SELECT status, attempt FROM runs');
  t.deepEqual(rows, [{ status: 'queued', attempt: 2 }]);
  source.answer(todos(5));
  await startWorker();
  t.like(await ended(id), { status: 'succeeded', attempt: 2, created: 5 });
  t.deepEqual(
    (await staged('runs')).map(({ data }) => data.status),
    ['queued', 'running', 'queued', 'running', 'succeeded'],
  );
});

test('stopping before starting, and twice, is fine', async t => {
  const { startWorker } = await startGenerator(t);
  const worker = await startWorker();
  await Promise.all([worker.stop(), worker.stop()]);
  await t.notThrowsAsync(worker.stop());
});

test('a worker that loses the database works again when it is back', async t => {
  const { source, psql, startWorker, ask, ended, run } = await startGenerator(t);
  const first = held(todos(5));
  source.answer(first.handler);
  await startWorker();
  const { id } = await ask();
  await first.asked;
  const terminate = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()`;
  await psql.query(terminate);
  source.answer(todos(5));
  t.like(await ended(id), { status: 'succeeded', attempt: 2, created: 5 });
  // And again at rest, where only the listening connection is lost.
  await psql.query(terminate);
  t.like(await run(), { status: 'succeeded', unchanged: 5 });
});

test('a worker that could not say that its job is done works again by itself', async t => {
  const { source, psql, startWorker, run } = await startGenerator(t);
  source.answer(todos(1));
  await psql.query(`
    CREATE FUNCTION refuse_job() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$;
    CREATE TRIGGER refuse_job BEFORE DELETE ON graphile_worker._private_jobs FOR EACH ROW EXECUTE FUNCTION refuse_job()`);
  const gaveUp = Promise.withResolvers<void>();
  const observed = logger.child({}, { level: 'warn' });
  observed.warn = (...what: unknown[]) => {
    if (/Failed to complete jobs/.test(what.join())) gaveUp.resolve();
  };
  await startWorker({ logger: observed });
  t.like(await run(), { status: 'succeeded', created: 1 });
  await gaveUp.promise;
  await psql.query('DROP TRIGGER refuse_job ON graphile_worker._private_jobs');
  t.like(await run(), { status: 'succeeded', unchanged: 1 });
});

test('while all is well nothing is written, whether a run is queued, running or over', async t => {
  const { database, psql, ask } = await startGenerator(t);
  const look = async () => {
    await psql.query('BEGIN READ ONLY');
    const { rowCount } = await psql.query('SELECT FROM sweep_runs() WHERE run_id IS NOT NULL');
    const { rows } = await psql.query(`SELECT queue_first_run('task_generator') AS queued`);
    await psql.query('COMMIT');
    t.deepEqual([rowCount, rows], [0, [{ queued: false }]]);
  };
  const { id } = await ask();
  await look();
  const session = await claimRun({ service: SERVICE, url: database.url, id, attempt: 1 });
  await psql.query('DELETE FROM graphile_worker._private_jobs');
  await look();
  await session?.finish({ ...notFound, error: 'enough' });
  await session?.end();
  await look();
});
