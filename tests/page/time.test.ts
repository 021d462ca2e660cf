// The live page's time slider, in a real browser: everything as it was at any position of the log.
import anyTest, { type TestFn } from 'ava';
import { openPage, type PageContext, withBrowser } from '../helpers/browser.ts';

const inBrowser = withBrowser(anyTest as TestFn<PageContext>);

inBrowser(
  'the slider shows tasks, rates and events as they were; nothing can be changed there; and back',
  async t => {
    const psql = await t.context.database.psql();
    await psql.query(`INSERT INTO tasks (title) VALUES ('First')`);
    await psql.query(`INSERT INTO currencies (currency, rate) VALUES ('USD', 80)`);
    await psql.query(`UPDATE tasks SET title = 'First, renamed'`);
    await psql.query(`UPDATE currencies SET rate = 90`);
    await psql.query(`INSERT INTO tasks (title) VALUES ('Second')`);
    const page = await openPage(t);
    await page.locator('#tasks .row', { hasText: 'Second' }).waitFor();
    const slider = page.getByRole('slider', { name: 'Position in the log' });
    await page.getByText('position 5').first().waitFor();
    await slider.fill('2');
    for (const id of ['tasks', 'rates', 'tail'])
      await page.locator(`#${id} .as-of`, { hasText: 'as of position 2' }).waitFor();
    t.deepEqual(await page.locator('#tasks .row .title').allTextContents(), ['First']);
    t.regex((await page.locator('table.rates tbody').textContent()) ?? '', /80\.0000/);
    t.deepEqual(await page.locator('.event .at').allTextContents(), ['2', '1']);
    t.true(await page.getByRole('textbox', { name: 'New task' }).isDisabled());
    t.true(await page.getByRole('button', { name: 'Complete', exact: true }).isDisabled());
    await page.getByRole('button', { name: 'One change later' }).click();
    await page.locator('#tasks .row', { hasText: 'First, renamed' }).waitFor();
    // What is new does not take the person out of the past.
    await psql.query(`INSERT INTO tasks (title) VALUES ('Third')`);
    await page.getByRole('button', { name: 'Back to live' }).click();
    await page.locator('#tasks .row', { hasText: 'Third' }).waitFor();
    t.is(await page.locator('.as-of').count(), 0);
    await page.locator('.event', { hasText: 'Third' }).waitFor();
    await page.getByRole('button', { name: 'Show everything as of position 1', exact: true }).click();
    await page.locator('#tasks .as-of', { hasText: 'as of position 1' }).waitFor();
    await page.keyboard.press('l');
    await page.locator('#tasks .row', { hasText: 'Third' }).waitFor();
  },
);

inBrowser('a long list of the past is there as a whole once the slider rests', async t => {
  const psql = await t.context.database.psql();
  await psql.query(`INSERT INTO tasks (title) SELECT 'Old ' || n FROM generate_series(1, 700) AS n`);
  const page = await openPage(t);
  await page.locator('#tasks .row', { hasText: 'Old 700' }).waitFor();
  const { rows } = await psql.query('SELECT max(position)::int AS head FROM feed.events');
  await psql.query(`DELETE FROM tasks WHERE title LIKE 'Old%'`);
  await page.getByRole('slider', { name: 'Position in the log' }).fill(String(rows[0].head));
  await page.locator('#tasks .beside', { hasText: /^70\d tasks$/ }).waitFor();
  t.pass();
});
