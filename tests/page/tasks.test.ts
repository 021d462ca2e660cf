// The live page's tasks, in a real browser: what a person does with them, and what others do meanwhile.
import anyTest, { type TestFn } from 'ava';
import type { Page } from 'playwright-core';
import { openPage, type PageContext, withBrowser } from '../helpers/browser.ts';

const inBrowser = withBrowser(anyTest as TestFn<PageContext>);

const rowOf = (page: Page, title: string) =>
  page.locator('#tasks .row').filter({ has: page.getByText(title, { exact: true }) });

async function add(page: Page, title: string): Promise<void> {
  await page.getByRole('textbox', { name: 'New task' }).fill(title);
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await rowOf(page, title).waitFor();
}

inBrowser('a task is added, edited in its row, completed, deleted and brought back', async t => {
  const page = await openPage(t);
  await add(page, 'Water the plants');
  const row = rowOf(page, 'Water the plants');
  await row.getByRole('button', { name: 'Edit', exact: true }).click();
  await row.getByRole('textbox', { name: 'Title' }).fill('Water the roses');
  await row.getByRole('combobox', { name: 'Priority' }).selectOption('urgent');
  await row.getByRole('textbox', { name: 'Labels' }).fill('garden, home');
  await row.getByRole('button', { name: 'Save', exact: true }).click();
  const roses = rowOf(page, 'Water the roses');
  await roses.locator('.priority.urgent').waitFor();
  await roses.locator('.label', { hasText: 'garden' }).waitFor();
  await roses.getByRole('button', { name: 'Complete', exact: true }).click();
  await roses.getByRole('button', { name: 'Reopen', exact: true }).waitFor();
  await roses.getByRole('button', { name: 'Delete', exact: true }).click();
  await roses.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Undo', exact: true }).click();
  await rowOf(page, 'Water the roses').getByRole('button', { name: 'Reopen', exact: true }).waitFor();
  const psql = await t.context.database.psql();
  const { rows } = await psql.query(
    `SELECT status, priority, labels FROM tasks WHERE title = 'Water the roses'`,
  );
  t.deepEqual(rows, [{ status: 'done', priority: 'urgent', labels: ['garden', 'home'] }]);
});

inBrowser('what psql changes lights up once, and says who', async t => {
  const page = await openPage(t);
  const psql = await t.context.database.psql();
  await psql.query(`INSERT INTO tasks (title) VALUES ('From a terminal')`);
  const row = rowOf(page, 'From a terminal');
  await row.waitFor();
  await row.and(page.locator('.lit-a, .lit-b')).waitFor();
  t.is(await row.locator('.origin').textContent(), 'psql');
  await row.and(page.locator(':not(.lit-a):not(.lit-b)')).waitFor();
  await psql.query(`UPDATE tasks SET title = 'From the same terminal' WHERE title = 'From a terminal'`);
  await rowOf(page, 'From the same terminal').and(page.locator('.lit-a, .lit-b')).waitFor();
  t.pass();
});

inBrowser('search and filter show what matches, as it is typed', async t => {
  const page = await openPage(t);
  const psql = await t.context.database.psql();
  await psql.query(
    `INSERT INTO tasks (title, description, labels, status) VALUES
      ('Needle', NULL, '{}', 'todo'), ('Haystack', 'a needle inside', '{}', 'done'), ('Barn', NULL, '{needle}', 'todo')`,
  );
  await rowOf(page, 'Barn').waitFor();
  await page.getByRole('searchbox', { name: 'Search' }).fill('NEEDLE');
  await page.getByText(/^3 of /).waitFor();
  const shown = () => page.locator('#tasks .row .title').allTextContents();
  t.deepEqual((await shown()).sort(), ['Barn', 'Haystack', 'Needle']);
  await page.getByRole('group', { name: 'Status' }).getByRole('button', { name: 'Done' }).click();
  await page.getByText(/^1 of /).waitFor();
  t.deepEqual(await shown(), ['Haystack']);
  await page.getByRole('searchbox', { name: 'Search' }).fill('nothing like it');
  await page.getByText('No task is like that.').waitFor();
  await page.getByRole('button', { name: 'Show all' }).click();
  await rowOf(page, 'Barn').waitFor();
});

inBrowser('everything can be done from the keyboard', async t => {
  const page = await openPage(t);
  await page.keyboard.press('n');
  await page.keyboard.type('Typed second');
  await page.keyboard.press('Enter');
  await page.keyboard.type('Typed third');
  await page.keyboard.press('Enter');
  await rowOf(page, 'Typed third').waitFor();
  await page.keyboard.press('Escape');
  const focused = () =>
    page.evaluate(() => document.activeElement?.closest('.row')?.querySelector('.title')?.textContent);
  await page.locator('.row-main:focus').waitFor();
  await page.keyboard.press('Home');
  await page.locator('.row:has(.row-main:focus)', { hasText: 'Typed third' }).waitFor();
  await page.keyboard.press('ArrowDown');
  await page.locator('.row:has(.row-main:focus)', { hasText: 'Typed second' }).waitFor();
  await page.keyboard.press('Space');
  await rowOf(page, 'Typed second').and(page.locator('.done')).waitFor();
  await page.keyboard.press('Enter');
  await page.locator('.editor input[name=title]:focus').waitFor();
  await page.keyboard.press('Escape');
  await page.locator('.row:has(.row-main:focus)', { hasText: 'Typed second' }).waitFor();
  await page.keyboard.press('Delete');
  await rowOf(page, 'Typed second').waitFor({ state: 'detached' });
  t.truthy(await focused(), 'the focus stays in the list');
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Keyboard' }).waitFor();
});

inBrowser('who edits keeps what he typed, and is told that another one has changed the task', async t => {
  const page = await openPage(t);
  await add(page, 'Contested');
  const row = rowOf(page, 'Contested');
  await row.getByRole('button', { name: 'Edit', exact: true }).click();
  await row.getByRole('textbox', { name: 'Description' }).fill('mine');
  const psql = await t.context.database.psql();
  await psql.query(`UPDATE tasks SET priority = 'high' WHERE title = 'Contested'`);
  await page.getByText('psql changed this task while you were editing it.').waitFor();
  t.is(await row.getByRole('textbox', { name: 'Description' }).inputValue(), 'mine');
  await row.getByRole('button', { name: 'Save anyway' }).click();
  await page.locator('.editor').waitFor({ state: 'detached' });
  const { rows } = await psql.query(`SELECT description, priority FROM tasks WHERE title = 'Contested'`);
  t.deepEqual(rows, [{ description: 'mine', priority: 'high' }]);
});

inBrowser('what is refused is said in the words of the service, and nothing typed is lost', async t => {
  const page = await openPage(t);
  const psql = await t.context.database.psql();
  await psql.query(
    `ALTER TABLE tasks ADD CONSTRAINT no_shouting CHECK (title <> upper(title) OR title = lower(title))`,
  );
  await page.getByRole('textbox', { name: 'New task' }).fill('SHOUTED');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.locator('.notice.fault').waitFor();
  t.regex((await page.locator('.notice.fault').textContent()) ?? '', /no_shouting|rule/);
  t.is(await page.getByRole('textbox', { name: 'New task' }).inputValue(), 'SHOUTED');
  t.is(await rowOf(page, 'SHOUTED').count(), 0);
});

inBrowser('two tabs stay equal', async t => {
  const [one, other] = await Promise.all([openPage(t), openPage(t)]);
  await add(one, 'Seen in both');
  await rowOf(other, 'Seen in both').waitFor();
  await rowOf(other, 'Seen in both').getByRole('button', { name: 'Complete', exact: true }).click();
  await rowOf(one, 'Seen in both').and(one.locator('.done')).waitFor();
  const shown = (page: Page) => page.locator('#tasks .row .title').allTextContents();
  t.deepEqual((await shown(one)).sort(), (await shown(other)).sort());
});

inBrowser(
  'a task that the service has yet to answer can be edited at once; its form stays when the answer comes',
  async t => {
    const page = await openPage(t);
    const held = Promise.withResolvers<void>();
    await page.route('**/tasks/batch', async route => {
      await held.promise;
      await route.continue();
    });
    await add(page, 'Edited before it was made');
    const row = rowOf(page, 'Edited before it was made');
    await row.getByText('Not sent yet').waitFor();
    await row.getByRole('button', { name: 'Edit', exact: true }).click();
    await row.getByRole('textbox', { name: 'Description' }).fill('typed meanwhile');
    held.resolve();
    await row.getByText('Not sent yet').waitFor({ state: 'detached' });
    t.is(await row.getByRole('textbox', { name: 'Description' }).inputValue(), 'typed meanwhile');
    await row.getByRole('textbox', { name: 'Description' }).and(page.locator(':focus')).waitFor();
    await row.getByRole('button', { name: 'Save', exact: true }).click();
    await page.locator('.editor').waitFor({ state: 'detached' });
    const psql = await t.context.database.psql();
    const { rows } = await psql.query(
      `SELECT description FROM tasks WHERE title = 'Edited before it was made'`,
    );
    t.deepEqual(rows, [{ description: 'typed meanwhile' }]);
  },
);
