// A real Chromium, and pages in it that may say nothing on the console and ask nobody else for anything.
import type { ExecutionContext, TestFn } from 'ava';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { type Context, withInstance } from './instance.ts';
import { CHROMIUM } from './program.ts';

/** What a test of the page has. */
export interface PageContext extends Context {
  browser: Browser;
}

/** How a page is looked at. */
export interface Look extends BrowserContextOptions {
  /** Where; else the instance's page. */
  address?: string;
  /** Whether it is to wait for the feed; it is. */
  isLive?: boolean;
}

// What is to be asked of the pages that a test has opened, at its end.
const opened = new WeakMap<object, (() => void)[]>();

/** A test with a browser; where there is none it is skipped, and says so, but not in CI. */
export function withBrowser(test: TestFn<PageContext>, environment: Record<string, string> = {}) {
  let browser: Browser | undefined;
  withInstance(test as unknown as TestFn<Context>, environment);
  test.before(async () => {
    if (CHROMIUM === undefined) return;
    // Root has no sandbox, and a container little shared memory.
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-component-update'],
    });
  });
  test.beforeEach(t => {
    if (browser) t.context.browser = browser;
  });
  test.after.always(() => browser?.close());
  return (title: string, body: (t: ExecutionContext<PageContext>) => Promise<void>) =>
    // One after the other: they share a service, and what one does, the others' pages show.
    test.serial(title, async t => {
      t.timeout(90_000);
      if (CHROMIUM !== undefined) {
        await body(t);
        for (const check of opened.get(t) ?? []) check();
        return;
      }
      if (process.env.CI === 'true') return t.fail('there is no Chromium, and CI must have one');
      t.log('SKIPPED: there is no Chromium to look at the page with');
      t.pass();
    });
}

/** The live page. At the test's end it must have said nothing, and have asked nobody but the service. */
export async function openPage(
  t: ExecutionContext<PageContext>,
  { address = t.context.instance.address, isLive = true, ...options }: Look = {},
): Promise<Page> {
  const context = await t.context.browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const said: string[] = [];
  const asked = new Set<string>();
  page.on('console', message => said.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', error => said.push(String(error.stack)));
  page.on('request', request => asked.add(new URL(request.url()).host));
  page.on('websocket', socket => asked.add(new URL(socket.url()).host));
  t.teardown(() => context.close());
  const check = () => {
    // A service that is away, or refuses, is told of by the browser itself.
    const own = said.filter(
      line => !/WebSocket connection to|Failed to load resource|ERR_INTERNET/.test(line),
    );
    t.deepEqual(own, [], 'what the page said on the console');
    t.deepEqual([...asked], [new URL(address).host], 'whom the page asked');
  };
  opened.set(t, [...(opened.get(t) ?? []), check]);
  await page.goto(`${address}/`);
  if (isLive) await page.locator('.link.live').waitFor();
  return page;
}
