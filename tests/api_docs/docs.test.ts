// The page that shows the API: complete, from here alone, and only what it needs.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import anyTest, { type TestFn } from 'ava';
import { conformanceAt, type Document } from '../helpers/conformance.ts';
import { type Context, withInstance } from '../helpers/instance.ts';
import { CHROMIUM } from '../helpers/program.ts';

const test = anyTest as TestFn<Context>;
withInstance(test);

const run = promisify(execFile);

/** The page's document once its scripts have run, what the browser said, and what the page asked for. */
async function look(browser: string, address: string) {
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-browser-'));
  const netLog = join(folder, 'net.json');
  const { stdout, stderr } = await run(
    browser,
    [
      '--headless',
      '--no-sandbox', // root has none
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1', // the browser's own curiosity
      `--user-data-dir=${join(folder, 'profile')}`,
      `--log-net-log=${netLog}`,
      '--enable-logging=stderr',
      '--virtual-time-budget=20000',
      '--dump-dom',
      address,
    ],
    { maxBuffer: 50_000_000, timeout: 60_000 },
  );
  const log: { events: { params?: { url?: string; initiator?: string } }[] } = JSON.parse(
    await readFile(netLog, 'utf8'),
  );
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  const { origin } = new URL(address);
  const asked = log.events
    .map(({ params }) => params)
    .filter(params => params?.initiator === origin)
    .flatMap(params => params?.url ?? []);
  return {
    dom: stdout,
    said: stderr.split('\n').filter(line => line.includes('CONSOLE')),
    asked: new Set(asked),
  };
}

test('the page shows every operation in a browser, and asks for nothing but ours', async t => {
  const browser = CHROMIUM;
  if (!browser) {
    if (process.env.CI === 'true') return t.fail('there is no Chromium, and CI must have one');
    t.log('SKIPPED: there is no Chromium to look at the page with');
    return t.pass();
  }
  t.timeout(90_000);
  const { address } = t.context.instance;
  const { paths } = (await conformanceAt(address)).document;
  const { dom, said, asked } = await look(browser, `${address}/docs`);
  for (const [path, item] of Object.entries<object>(paths))
    for (const method of Object.keys(item)) {
      const shown = new RegExp(
        `>${method.toUpperCase()}</span>.{0,400}data-path="${path.replaceAll(/[{}.]/g, '\\$&')}"`,
        's',
      );
      t.regex(dom, shown);
    }
  t.true(dom.includes('href="/asyncapi.json"'));
  t.deepEqual(
    said.filter(line => /refused|violates|error/i.test(line)),
    [],
  );
  t.true(asked.size >= 4, [...asked].join());
  t.deepEqual(
    [...asked].filter(url => !url.startsWith(`${address}/`) && !url.startsWith('data:')),
    [],
  );
});

test('the page lets nothing in from elsewhere, and no script of its own', async t => {
  const response = await fetch(`${t.context.instance.address}/docs`);
  const policy = response.headers.get('content-security-policy') ?? '';
  t.true(policy.startsWith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"));
  t.false(/unsafe|https?:|\*/.test(policy));
  const html = await response.text();
  t.false(/<script(?! src="\/docs\/)|\son\w+=|https?:\/\//.test(html));
});

test('its files are kept for ever under their version, and asked about otherwise', async t => {
  const { address } = t.context.instance;
  const html = await (await fetch(`${address}/docs`)).text();
  const addresses = [...html.matchAll(/"(\/docs\/[^"]+)"/g)].map(([, path]) => path ?? '');
  t.is(addresses.length, 4);
  for (const path of addresses) {
    const { status, headers } = await fetch(`${address}${path}`, {
      headers: { 'Accept-Encoding': 'identity' },
    });
    t.is(status, 200, path);
    t.is(headers.get('cache-control'), 'public, max-age=31536000, immutable');
    const etag = headers.get('etag') ?? '';
    t.true(path.endsWith(`?v=${etag.slice(1, -1)}`));
    const plain = path.split('?', 1)[0];
    t.is((await fetch(`${address}${plain}?v=old`)).headers.get('cache-control'), 'public, no-cache');
    t.is((await fetch(`${address}${plain}`, { headers: { 'If-None-Match': etag } })).status, 304);
  }
});

test('nothing else can be had under /docs', async t => {
  const { address } = t.context.instance;
  const names = [
    'index.html',
    'package.json',
    'swagger-ui.js',
    '..%2f..%2fpackage.json',

    '__proto__',
    'x',
  ];
  for (const name of names) t.is((await fetch(`${address}/docs/${name}`)).status, 404, name);
});

test('every problem is explained as a page or as JSON, as the client likes', async t => {
  const { address } = t.context.instance;
  const as = (accept: string, path = '/problems') =>
    fetch(`${address}${path}`, { headers: { Accept: accept } });
  const { data }: Document = await (await as('application/json')).json();
  t.true(data.length > 10);
  const list = await (await as('text/html')).text();
  for (const each of data) {
    t.true(list.includes(`href="${each.type}"`));
    t.deepEqual(await (await as('application/json', each.type)).json(), each);
    const page = await as('text/html,*/*;q=0.8', each.type);
    t.is(page.headers.get('content-type'), 'text/html; charset=utf-8');
    t.is(page.headers.get('vary'), 'Accept');
    t.true((await page.text()).includes(each.explanation));
  }
  t.regex((await as('*/*')).headers.get('content-type') ?? '', /^text\/html/);
});
