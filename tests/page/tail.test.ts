// The live page's events and runs, in a real browser.
import anyTest, { type TestFn } from 'ava';
import { held, startSource, todos } from '../fixtures/source_server.ts';
import { openPage, type PageContext, withBrowser } from '../helpers/browser.ts';

const source = await startSource();
const inBrowser = withBrowser(anyTest as TestFn<PageContext>, {
  TASK_SOURCES: `jsonplaceholder=${source.url}`,
});
anyTest.after.always(() => source.close());

inBrowser('every event is told as it comes, with what changed and by whom', async t => {
  const page = await openPage(t);
  const psql = await t.context.database.psql();
  await psql.query(`INSERT INTO tasks (title) VALUES ('Told')`);
  await psql.query(`UPDATE tasks SET status = 'done' WHERE title = 'Told'`);
  const event = page.locator('.event', { hasText: 'Task changed' }).first();
  await event.waitFor();
  t.regex((await event.textContent()) ?? '', /Told\s+Status: To do → Done\s+psql/);
  await psql.query(`DELETE FROM tasks WHERE title = 'Told'`);
  await page.locator('.event', { hasText: 'Task deleted' }).waitFor();
});

inBrowser('a pause counts what comes, keeps nothing, and goes on without a gap', async t => {
  const page = await openPage(t);
  const psql = await t.context.database.psql();
  await psql.query(`INSERT INTO tasks (title) VALUES ('Before the pause')`);
  await page.locator('.event', { hasText: 'Before the pause' }).waitFor();
  await page.getByRole('button', { name: 'Pause' }).click();
  await psql.query(`INSERT INTO tasks (title) SELECT 'Paused ' || n FROM generate_series(1, 37) AS n`);
  await page.getByText('37 changes while paused').waitFor();
  t.is(await page.locator('.event', { hasText: 'Paused' }).count(), 0);
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.locator('.event', { hasText: 'Paused 37' }).waitFor();
  const shown = await page.locator('.event .at').allTextContents();
  const positions = shown.map(text => Number(text.replaceAll(/\D/g, '')));
  t.deepEqual(
    positions,
    positions.map((_, index) => (positions[0] ?? 0) - index),
    'each position once',
  );
  t.true(positions.length >= 38);
});

inBrowser('a run is asked for, shows how far it is, and says why it failed', async t => {
  const { handler, asked, release } = held(todos(7));
  source.answer(handler);
  const page = await openPage(t);
  const job = page.getByRole('article', { name: 'Task generator' });
  await job.getByText('It has not run yet.').waitFor();
  await job.getByRole('button', { name: 'Run now' }).click();
  await asked;
  await job.getByRole('progressbar', { name: 'Running' }).waitFor();
  t.true(await job.getByRole('button', { name: 'Run now' }).isDisabled());
  release();
  await job.getByText(/Done, .*7 read, 7 new/).waitFor();
  await page.locator('#tasks .row', { hasText: 'to-do 7' }).getByText('generator').waitFor();
  source.answer((_request, response) => response.writeHead(404).end());
  await job.getByRole('button', { name: 'Run now' }).click();
  await job.locator('.job-state .fault').waitFor();
  t.regex((await job.locator('.job-state').textContent()) ?? '', /Failed, .*404/);
});
