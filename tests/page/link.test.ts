// The live page and a service that goes away: it says so, keeps what is done meanwhile, catches up, and says what it missed.
import anyTest, { type TestFn } from 'ava';
import { openPage, type PageContext, withBrowser } from '../helpers/browser.ts';
import { findLastingPort } from '../helpers/port.ts';
import { startService } from '../helpers/process.ts';

const inBrowser = withBrowser(anyTest as TestFn<PageContext>);

inBrowser(
  'a service that is killed and started again: the page catches up and says what it missed',
  async t => {
    const { database } = t.context;
    const psql = await database.psql();
    await psql.query(`INSERT INTO tasks (title) VALUES ('There before')`);
    const environment = { PORT: String(await findLastingPort()) };
    const first = await startService(database.url, environment);
    const page = await openPage(t, { address: first.address });
    const row = (title: string) => page.locator('#tasks .row', { hasText: title });
    await row('There before').waitFor();
    await first.kill();
    await page.locator('.link.away').waitFor();
    t.is(await row('There before').count(), 1, 'what was shown stays');
    await psql.query(`INSERT INTO tasks (title) SELECT 'Missed ' || n FROM generate_series(1, 3) AS n`);
    await psql.query(`UPDATE tasks SET status = 'done' WHERE title = 'There before'`);
    const second = await startService(database.url, environment);
    t.teardown(second.stop);
    await page.locator('.link.live').waitFor();
    await page.locator('.notice', { hasText: '4 changes came meanwhile' }).waitFor();
    t.regex((await page.locator('.notice').textContent()) ?? '', /Task added: 3 · Task changed: 1/);
    for (const n of [1, 2, 3]) await row(`Missed ${n}`).waitFor();
    await row('There before').and(page.locator('.done')).waitFor();
  },
);

inBrowser('what is done while offline shows at once and is sent when the network is back', async t => {
  const { database } = t.context;
  const port = await findLastingPort();
  const first = await startService(database.url, { PORT: String(port) });
  const page = await openPage(t, { address: first.address });
  await page.context().setOffline(true);
  await first.kill();
  await page.locator('.link.offline').waitFor();
  await page.locator('.notice', { hasText: 'Offline.' }).waitFor();
  await page.getByRole('textbox', { name: 'New task' }).fill('Thought of on a train');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  const row = page.locator('#tasks .row', { hasText: 'Thought of on a train' });
  await row.getByText('Not sent yet').waitFor();
  await page.getByText('1 change not sent yet').waitFor();
  const second = await startService(database.url, { PORT: String(port) });
  t.teardown(second.stop);
  await page.context().setOffline(false);
  await page.locator('.link.live').waitFor();
  await row.getByText('Not sent yet').waitFor({ state: 'detached' });
  const psql = await database.psql();
  const { rows } = await psql.query(`SELECT title FROM tasks WHERE title = 'Thought of on a train'`);
  t.is(rows.length, 1);
});
