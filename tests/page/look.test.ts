// The live page as it looks: to a screen reader, in both languages, light and dark, on a phone and a desktop; and that
// nothing in it moves by itself.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import anyTest, { type TestFn } from 'ava';
import type { Page } from 'playwright-core';
import { openPage, type PageContext, withBrowser } from '../helpers/browser.ts';

const inBrowser = withBrowser(anyTest as TestFn<PageContext>);
const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
const AXE = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'));

const fill = `
  INSERT INTO tasks (title, description, status, priority, due_at, labels) SELECT
    'Task ' || n, 'More of it', (ARRAY['todo', 'in_progress', 'done'])[1 + n % 3],
    (ARRAY['low', 'normal', 'high', 'urgent'])[1 + n % 4], now() + (n - 20) * interval '1 hour', ARRAY['home']
  FROM generate_series(1, 40) AS n;
  INSERT INTO currencies (currency, name, rate, rate_date) VALUES ('USD', 'US dollar', 80, current_date - 1),
    ('EUR', 'Euro', 90, current_date - 1) ON CONFLICT DO NOTHING;
  UPDATE currencies SET rate = rate + 1, rate_date = current_date`;

async function findings(page: Page): Promise<string[]> {
  // By evaluation: as a script in the page its policy would refuse it.
  await page.evaluate(await readFile(AXE, 'utf8'));
  const { violations } = await page.evaluate(() =>
    (
      globalThis as unknown as {
        axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> };
      }
    ).axe.run(),
  );
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`,
  );
}

for (const colorScheme of ['light', 'dark'] as const)
  for (const [locale, viewport] of [
    ['en-GB', DESKTOP],
    ['ru-RU', PHONE],
  ] as const)
    inBrowser(
      `nothing keeps anyone out: ${colorScheme}, ${locale}, ${viewport.width} pixels wide`,
      async t => {
        const psql = await t.context.database.psql();
        await psql.query(fill);
        const page = await openPage(t, { colorScheme, locale, viewport });
        await page.locator('.row').first().waitFor();
        t.is(await page.locator('html').getAttribute('lang'), locale.slice(0, 2));
        if (viewport === DESKTOP) {
          await page.locator('.row').nth(2).locator('.acts button').first().click();
          await page.locator('.editor').waitFor();
          t.deepEqual(await findings(page), []);
          await page.getByRole('slider', { name: 'Position in the log' }).fill('20');
          await page.locator('#rates .as-of').waitFor();
          t.deepEqual(await findings(page), []);
        } else
          for (const tab of ['Задачи', 'Курсы', 'События', 'Запуски']) {
            await page.locator('#tabs').getByRole('button', { name: tab }).click();
            await page.getByRole('heading', { name: tab }).waitFor();
            t.deepEqual(await findings(page), [], tab);
          }
      },
    );

inBrowser('the controls have their names in Russian, too', async t => {
  const psql = await t.context.database.psql();
  await psql.query(fill);
  const page = await openPage(t, { locale: 'ru-RU' });
  await page.locator('.row').first().waitFor();
  const named = (role: 'button' | 'textbox' | 'searchbox' | 'slider', name: string) =>
    page.getByRole(role, { name, exact: true }).first().waitFor();
  await named('textbox', 'Новая задача');
  await named('searchbox', 'Поиск');
  await named('slider', 'Позиция в журнале');
  for (const name of ['Добавить', 'Выполнить', 'Изменить', 'Удалить', 'Пауза', 'Запустить'])
    await named('button', name);
  await page.getByRole('button', { name: 'Удалить', exact: true }).first().click();
  await named('button', 'Отменить');
  t.pass();
});

inBrowser('nothing moves by itself while changes come in', async t => {
  const psql = await t.context.database.psql();
  await psql.query(fill);
  const page = await openPage(t, { viewport: DESKTOP });
  await page.locator('.row').first().waitFor();
  await page.locator('.plot canvas').waitFor();
  await page.evaluate(() => {
    const shifts: string[] = [];
    Object.assign(globalThis, { shifts });
    new PerformanceObserver(list => {
      for (const entry of list.getEntries() as (PerformanceEntry & {
        value: number;
        sources: { node?: Element }[];
      })[])
        shifts.push(
          `${entry.value} ${entry.sources.map(({ node }) => node?.className ?? node?.parentElement?.outerHTML).join()}`,
        );
    }).observe({ type: 'layout-shift' });
  });
  for (let round = 1; round <= 20; round++)
    await psql.query(
      `INSERT INTO tasks (title) VALUES ('Round ${round}');
       UPDATE tasks SET status = 'done' WHERE title = 'Round ${round - 1}';
       UPDATE currencies SET rate = rate + 1; DELETE FROM tasks WHERE title = 'Round ${round - 3}'`,
    );
  await page.locator('.row', { hasText: 'Round 20' }).waitFor();
  await page.locator('.event', { hasText: 'Round 20' }).first().waitFor();
  t.deepEqual(await page.evaluate(() => (globalThis as unknown as { shifts: string[] }).shifts), []);
});

inBrowser('who reads further down the list keeps his place while tasks are added above', async t => {
  const psql = await t.context.database.psql();
  await psql.query(fill);
  const page = await openPage(t, { viewport: DESKTOP });
  await page.locator('.row').first().waitFor();
  await page.locator('.scroller').evaluate(scroller => scroller.scrollTo(0, 403));
  const top = () =>
    page.evaluate(() => {
      const from = document.querySelector('.scroller')?.getBoundingClientRect().top ?? 0;
      const rows = [...document.querySelectorAll('.row')].map(row => ({
        id: (row as HTMLElement).dataset.id,
        at: row.getBoundingClientRect().top - from,
      }));
      return rows.sort((a, b) => a.at - b.at).find(({ at }) => at >= 0);
    });
  await page.waitForFunction(() => document.querySelectorAll('.row').length > 0);
  const before = await top();
  const posinset = () => page.locator(`[data-id="${before?.id}"]`).getAttribute('aria-posinset');
  const place = Number(await posinset());
  await psql.query(`INSERT INTO tasks (title) SELECT 'Above ' || n FROM generate_series(1, 9) AS n`);
  await page.locator(`[data-id="${before?.id}"][aria-posinset="${place + 9}"]`).waitFor();
  t.deepEqual(await top(), before);
});
