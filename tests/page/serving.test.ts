// How the live page is served: all of it from here, little of it, and under a policy that lets nothing else in.
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import anyTest, { type TestFn } from 'ava';
import { joinModules } from '../../src/site/join_modules.ts';
import { openPage, type PageContext, withBrowser } from '../helpers/browser.ts';

const test = anyTest as TestFn<PageContext>;
const inBrowser = withBrowser(test);
const MOST_BYTES = 80 * 1024; // gzipped

test('the page lets no script in but its own, of what stands in it only the import map, and is in no frame', async t => {
  const response = await fetch(t.context.instance.address);
  t.is(response.status, 200);
  const policy = response.headers.get('content-security-policy') ?? '';
  t.true(policy.startsWith("default-src 'none'; script-src 'self' 'sha256-"));
  t.false(/unsafe|https?:|\*|data:/.test(policy));
  for (const part of [
    "style-src 'self'",
    "connect-src 'self'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ])
    t.true(policy.includes(part), part);
  const html = await response.text();
  const [, map = ''] = /<script type="importmap">(.*?)<\/script>/s.exec(html) ?? [];
  t.true(policy.includes(`'sha256-${createHash('sha256').update(map).digest('base64')}'`));
  t.is([...html.matchAll(/<script/g)].length, 2);
  t.false(/<style|\sstyle=|\son\w+=|https?:\/\//.test(html));
  for (const address of Object.values<string>(JSON.parse(map).imports))
    t.regex(address, /^\/page\/[\w.-]+\?v=/);
});

test('its files are kept for ever under their version, and asked about otherwise; nothing else can be had', async t => {
  const { address } = t.context.instance;
  const html = await (await fetch(address)).text();
  const paths = [...new Set([...html.matchAll(/"(\/page\/[^"]+\?v=[^"]+)"/g)].map(([, path]) => path ?? ''))];
  t.true(paths.length >= 10);
  for (const path of paths) {
    const { status, headers } = await fetch(address + path, { headers: { 'Accept-Encoding': 'identity' } });
    t.is(status, 200, path);
    t.is(headers.get('cache-control'), 'public, max-age=31536000, immutable');
    t.true(path.endsWith(`?v=${(headers.get('etag') ?? '').slice(1, -1)}`));
    const [plain] = path.split('?');
    t.is((await fetch(`${address}${plain}?v=old`)).headers.get('cache-control'), 'public, no-cache');
  }
  for (const name of ['main.ts', 'tsconfig.json', '..%2fmain.ts', '__proto__', 'x'])
    t.is((await fetch(`${address}/page/${name}`)).status, 404, name);
});

test('all of the page is at most 80 KiB on the wire', async t => {
  const { address } = t.context.instance;
  const html = await (await fetch(address)).text();
  const paths = new Set([...html.matchAll(/"(\/page\/[^"]+\?v=[^"]+)"/g)].map(([, path]) => path ?? ''));
  let bytes = gzipSync(html).length;
  for (const path of paths) {
    const file = Buffer.from(await (await fetch(address + path)).arrayBuffer());
    const size = gzipSync(file).length;
    t.log(path.split('?')[0], size);
    bytes += size;
  }
  t.log('in all', bytes);
  t.true(bytes <= MOST_BYTES, String(bytes));
});

test('modules are joined with what they import before them, and names of their own', async t => {
  const modules = new Map([
    [
      'main.ts',
      `import { double as twice } from './math.ts';\nconst SECRET = 21;\nglobalThis.joined = twice(SECRET);\n`,
    ],
    [
      'math.ts',
      `import { TWO } from './numbers.ts';\nconst SECRET = 1;\nexport function double(x) { return x * TWO * SECRET; }\n`,
    ],
    ['numbers.ts', `export const TWO = 2;\nexport const UNUSED = 3;\n`],
  ]);
  await import(`data:text/javascript,${encodeURIComponent(joinModules(modules, 'main.ts'))}`);
  t.is(Reflect.get(globalThis, 'joined'), 42);
  t.throws(() => joinModules(new Map([['main.ts', `export * from './x.ts';\n`]]), 'main.ts'), {
    message: /cannot be joined/,
  });
});

inBrowser('of 5,000 tasks only those in sight are in the document, and the last is reached', async t => {
  const psql = await t.context.database.psql();
  await psql.query(`INSERT INTO tasks (title) SELECT 'One of many ' || n FROM generate_series(1, 5000) AS n`);
  const page = await openPage(t, { viewport: { width: 1440, height: 900 } });
  await page.getByText('5,000 tasks').waitFor();
  t.true((await page.locator('.row').count()) < 60);
  t.is(await page.locator('.row').first().getAttribute('aria-setsize'), '5000');
  await page.locator('.row-main').first().focus();
  await page.keyboard.press('End');
  await page.locator('[aria-posinset="5000"] .row-main:focus').waitFor();
  t.true((await page.locator('.row').count()) < 60);
  await page.getByRole('searchbox', { name: 'Search' }).fill('many 4321');
  await page.locator('.row', { hasText: 'One of many 4321' }).waitFor();
  t.is(await page.locator('.row').count(), 1);
});
