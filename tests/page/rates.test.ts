// The live page's rates, in a real browser: as they change, as they were, and what an amount is worth.
import anyTest, { type TestFn } from 'ava';
import { openPage, type PageContext, withBrowser } from '../helpers/browser.ts';

const inBrowser = withBrowser(anyTest as TestFn<PageContext>);

const fill = `
  INSERT INTO currencies (currency, name, rate, rate_date)
    VALUES ('USD', 'US dollar', 80, current_date - 4), ('EUR', 'Euro', 90, current_date - 4) ON CONFLICT DO NOTHING;
  UPDATE currencies SET rate = 81, rate_date = current_date - 3 WHERE currency = 'USD';
  UPDATE currencies SET rate = 82.5, rate_date = current_date - 2 WHERE currency = 'USD';
  UPDATE currencies SET rate = 83.75, rate_date = current_date - 1 WHERE currency = 'USD'`;

inBrowser('a rate that changes is shown at once, with how much and who changed it', async t => {
  const psql = await t.context.database.psql();
  await psql.query(fill);
  const page = await openPage(t);
  const row = page.locator('table.rates tr', { hasText: 'EUR' });
  await row.getByText('90.0000').waitFor();
  await psql.query(`UPDATE currencies SET rate = 99 WHERE currency = 'EUR'`);
  await row.getByText('99.0000').waitFor();
  await row.and(page.locator('.lit-a, .lit-b')).waitFor();
  t.regex((await row.locator('.change').textContent()) ?? '', /\+10\.00%/);
  t.is(await row.locator('.day').getAttribute('title'), 'Changed by psql');
});

inBrowser(
  'the chart’s cursor is moved by arrow keys and says where it stands; a table has the same',
  async t => {
    const psql = await t.context.database.psql();
    await psql.query(fill);
    const page = await openPage(t);
    const chart = page.getByRole('slider', { name: 'Rate of USD, day by day' });
    await page.locator('.plot canvas').waitFor();
    const spoken = () => chart.getAttribute('aria-valuetext');
    t.regex((await spoken()) ?? '', /: 83\.75 roubles$/);
    await chart.focus();
    await page.keyboard.press('ArrowLeft');
    await page.locator('.reading', { hasText: '82.5000 ₽' }).waitFor();
    t.regex((await spoken()) ?? '', /: 82\.50 roubles$/);
    await page.keyboard.press('Home');
    await page.locator('.reading', { hasText: '80.0000 ₽' }).waitFor();
    await page.keyboard.press('End');
    await page.locator('.reading', { hasText: '83.7500 ₽' }).waitFor();
    await page.getByText('As a table').click();
    const rates = await page.locator('.points td').allTextContents();
    t.deepEqual(rates, ['83.7500', '82.5000', '81.0000', '80.0000']);
    await psql.query(`UPDATE currencies SET rate = 84, rate_date = current_date WHERE currency = 'USD'`);
    await page.locator('.points td', { hasText: '84.0000' }).waitFor();
  },
);

inBrowser(
  'the converter reckons by the present rates, again when they change, and says what it cannot do',
  async t => {
    const psql = await t.context.database.psql();
    await psql.query(`${fill}; UPDATE currencies SET rate = 100 WHERE currency = 'USD'`);
    const page = await openPage(t);
    const form = page.getByRole('form', { name: 'Converter' });
    await form.getByText('= 10,000.00').waitFor();
    await form.getByRole('textbox', { name: 'Amount' }).fill('2,5');
    await form.getByText('= 250.00').waitFor();
    await form.getByRole('button', { name: 'Swap' }).click();
    await form.getByText('= 0.025').waitFor();
    await psql.query(`UPDATE currencies SET rate = 50 WHERE currency = 'USD'`);
    await form.getByText('= 0.05').waitFor();
    await form.getByRole('textbox', { name: 'Amount' }).fill('much');
    await form.locator('output.fault').waitFor();
    t.regex((await form.locator('output').textContent()) ?? '', /amount/);
  },
);
