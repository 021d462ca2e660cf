// When runs happen by themselves.
import test from 'ava';
import fc from 'fast-check';
import { parseCronItem } from 'graphile-worker';
import { nextTime } from '../../src/jobs/schedule.ts';
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

test('a schedule names the next minute, never the present one', t => {
  const at = (cron: string, now: string) => nextTime(cron, new Date(now))?.toISOString();
  t.is(at('*/15 * * * *', '2026-11-23T10:00:00Z'), '2026-11-23T10:15:00.000Z');
  t.is(at('*/15 * * * *', '2026-11-23T10:14:59.999Z'), '2026-11-23T10:15:00.000Z');
  t.is(at('*/15 * * * *', '2026-11-23T10:15:00Z'), '2026-11-23T10:30:00.000Z');
  t.is(at('30 6 * * 0', '2026-11-23T10:00:00Z'), '2026-11-29T06:30:00.000Z');
  t.is(at('30 6 * * 7', '2026-11-23T10:00:00Z'), '2026-11-29T06:30:00.000Z');
  t.is(at('59 23 31 12 *', '2026-12-31T23:59:00Z'), '2027-12-31T23:59:00.000Z');
  // A day of the month and a day of the week: either will do.
  t.is(at('0 0 30 2 1', '2026-02-01T12:00:00Z'), '2026-02-02T00:00:00.000Z');
  // 2100 is no leap year.
  t.is(at('5 4 29 2 *', '2096-02-29T04:05:00Z'), '2104-02-29T04:05:00.000Z');
});

test('a schedule that names no day of the calendar is found out in some thousand steps', t => {
  for (const cron of ['0 0 30 2 *', '0 0 30,31 2 *', '* * 31 2,4,6,9,11 *']) {
    let looks = 0;
    const { getUTCDate } = Date.prototype;
    // What the search costs is how often it reads the calendar, not how fast this machine is.
    const now = new Date('2026-11-23T10:00:00Z');
    Date.prototype.getUTCDate = function (this: Date) {
      looks++;
      return getUTCDate.call(this);
    };
    try {
      t.is(nextTime(cron, now), undefined);
    } finally {
      Date.prototype.getUTCDate = getUTCDate;
    }
    t.true(looks < 5_000, `${cron}: ${looks}`);
  }
});

test('a schedule agrees with a search of every minute, whatever it says', t => {
  const field = (least: number, most: number) =>
    fc.oneof(
      fc.constant('*'),
      fc.integer({ min: least, max: most }).map(String),
      fc.integer({ min: 1, max: most }).map(step => `*/${step}`),
    );
  const cron = fc
    .tuple(field(0, 59), field(0, 23), field(1, 31), field(1, 12), field(0, 6))
    .map(fields => fields.join(' '));
  const now = new Date('2026-12-30T22:17:31Z');
  fc.assert(
    fc.property(cron, text => {
      const { match } = parseCronItem({ task: 'check', match: text });
      const minute = new Date('2026-12-30T22:18:00Z');
      const found = nextTime(text, now);
      for (let step = 0; step < 3 * 24 * 60; step++, minute.setTime(minute.getTime() + 60_000)) {
        const isDue = match({
          min: minute.getUTCMinutes(),
          hour: minute.getUTCHours(),
          date: minute.getUTCDate(),
          month: minute.getUTCMonth() + 1,
          dow: minute.getUTCDay(),
        });
        if (isDue) return found?.getTime() === minute.getTime();
      }
      return found === undefined || found >= minute;
    }),
    { numRuns: 100 },
  );
  t.pass();
});
