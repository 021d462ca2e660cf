// The live page where the service asks for tokens: it asks for one, keeps it in the tab, and says what it does not allow.
import anyTest, { type TestFn } from 'ava';
import { openPage, type PageContext, withBrowser } from '../helpers/browser.ts';
import { makeToken } from '../helpers/tokens.ts';

const inBrowser = withBrowser(anyTest as TestFn<PageContext>, { AUTH: 'token' });

inBrowser('a token is asked for, kept in the tab, and signs what is done', async t => {
  const psql = await t.context.database.psql();
  const all = ['tasks:read', 'tasks:write', 'currencies:read', 'generator:run', 'events:read'] as const;
  const { text } = await makeToken(psql, all, { name: 'ann' });
  const page = await openPage(t, { isLive: false });
  const dialog = page.getByRole('dialog', { name: 'This service asks who you are' });
  await dialog.getByLabel('Token', { exact: true }).fill('twk_wrong');
  await dialog.getByRole('button', { name: 'Sign in' }).click();
  await dialog.getByText('does not know this token').waitFor();
  await dialog.getByLabel('Token', { exact: true }).fill(text);
  await dialog.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('.link.live').waitFor();
  await page.getByRole('textbox', { name: 'New task' }).fill('Signed');
  await page.getByRole('button', { name: 'Add', exact: true }).click();
  await page.locator('#tasks .row', { hasText: 'Signed' }).getByText('REST by ann').waitFor();
  await page.reload();
  await page.locator('.link.live').waitFor();
  t.is(await page.getByRole('dialog').count(), 0, 'the tab still has it');
  t.is(await page.evaluate(() => localStorage.getItem('taskwire token')), null);
});

inBrowser('what a token does not allow is said, and nothing is hidden', async t => {
  const psql = await t.context.database.psql();
  const { text } = await makeToken(psql, ['tasks:read'], { name: 'reader' });
  await psql.query(`INSERT INTO tasks (title) VALUES ('To be read')`);
  const page = await openPage(t, { isLive: false });
  await page.getByLabel('Token', { exact: true }).fill(text);
  await page.getByRole('button', { name: 'Sign in' }).click();
  const row = page.locator('#tasks .row', { hasText: 'To be read' });
  await row.waitFor();
  t.true(await row.getByRole('button', { name: 'Complete', exact: true }).isDisabled());
  const field = page.getByRole('textbox', { name: 'New task' });
  t.is(await field.getAttribute('placeholder'), 'This token does not allow it. (tasks:write)');
  await page.locator('#rates').getByText('(currencies:read)').waitFor();
  await page.locator('#runs').getByText('(generator:run)').first().waitFor();
  await psql.query(`INSERT INTO currencies (currency, rate) VALUES ('USD', 80)`);
  await psql.query(`INSERT INTO tasks (title) VALUES ('Still live')`);
  await page.locator('#tasks .row', { hasText: 'Still live' }).waitFor();
  await page.getByRole('button', { name: 'reader' }).click();
  const dialog = page.getByRole('dialog', { name: 'This token allows' });
  t.deepEqual(await dialog.locator('li b').allTextContents(), ['Yes', 'No', 'No', 'No', 'No']);
});

inBrowser('a token that is revoked while the page is open is asked for anew', async t => {
  const psql = await t.context.database.psql();
  const { text, id } = await makeToken(psql, ['tasks:read', 'events:read'], { name: 'short' });
  const page = await openPage(t, { isLive: false });
  await page.getByLabel('Token', { exact: true }).fill(text);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('.link.live').waitFor();
  await psql.query('UPDATE tokens SET revoked_at = now() WHERE id = $1', [id]);
  await page.getByText('does not know this token, or it was revoked').waitFor();
  t.pass();
});
