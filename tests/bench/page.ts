// The live page in a real browser, with a long log behind it: how soon there is a live row, how smooth the tail is at a
// thousand events a second, and how soon the slider shows the past. The floors are what a person asks of a page; the
// slider's is the same question put to REST by a program.
import { setTimeout as pause } from 'node:timers/promises';
import { type Browser, chromium, type Page } from 'playwright-core';
import { startService } from '../helpers/process.ts';
import { CHROMIUM } from '../helpers/program.ts';
import { until } from '../helpers/until.ts';
import type { Bench, BenchDatabase } from './bench.ts';
import { readLast, stageEvents } from './events.ts';
import { median, quantile, type Row } from './rounds.ts';

const EVENTS = 1_000_000;
const TASKS = 5_000;
const STEPS = 60; // of the slider
const WATCHED = 10_000; // ms
const BEAT = 20; // ms between two transactions of the writer
const EACH = 20; // events in one

/** Ends with the figures of the page. */
export async function page({ createDatabase, rounds, scale }: Bench): Promise<Row[]> {
  const path = CHROMIUM;
  if (path === undefined) throw new Error('there is no Chromium to look at the page with');
  const database = await createDatabase();
  await database.migrate();
  await stageEvents(database, Math.round((EVENTS * scale) / 1_000) * 1_000);
  const service = await startService(database.url);
  const browser = await chromium.launch({
    executablePath: path,
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
  try {
    await database.query(
      `INSERT INTO tasks (title) SELECT 'one of many ' || n FROM generate_series(1, ${TASKS - 1_000}) AS n`,
    );
    await database.query(
      `INSERT INTO currencies (currency, rate, rate_date) VALUES ('USD', 80, current_date - 1);
      UPDATE currencies SET rate = 81, rate_date = current_date`,
    );
    await until(async () => (await readLast(database)) >= EVENTS * scale);
    const row = (figure: string, ours: number, floor: number, unit: string, target: Row['target']): Row => ({
      figure,
      ours,
      floor,
      unit,
      target,
    });
    const first = await inRounds(rounds, () => firstRow(browser, service.address));
    const bytes = await inRounds(1, () => transferred(browser, service.address));
    const typed = await inRounds(rounds, () => searched(browser, service.address));
    const frames = await inRounds(rounds, () => framesOf(browser, service.address, database));
    const slider = await slid(browser, service.address);
    return [
      row(`from the HTML to the first live row, of ${TASKS}`, first, 300, 'ms', { atMost: 1 }),
      row('bytes of code and style', bytes, 80 * 1024, 'B', { atMost: 1 }),
      row(`a letter typed into the search of ${TASKS}`, typed, 50, 'ms', { atMost: 1 }),
      row(`frames at ${(EACH * 1_000) / BEAT} events/s`, frames, 30, '1/s', { atLeast: 1 }),
      row('a step of the slider, p95', slider.ours, slider.floor, 'ms', { atMost: 3 }),
    ];
  } finally {
    await browser.close();
    await service.stop();
  }
}

async function inRounds(rounds: number, run: () => Promise<number>): Promise<number> {
  const figures: number[] = [];
  for (let round = 0; round < rounds; round++) figures.push(await run());
  return median(figures);
}

async function open(browser: Browser, address: string): Promise<Page> {
  const context = await browser.newContext();
  const opened = await context.newPage();
  await opened.addInitScript(`
    new MutationObserver((_, observer) => {
      if (!document.querySelector('#tasks .row')) return;
      globalThis.firstRow = performance.now();
      observer.disconnect();
    }).observe(document, { childList: true, subtree: true })`);
  await opened.goto(`${address}/`);
  await opened.locator('#tasks .row').first().waitFor();
  return opened;
}

async function firstRow(browser: Browser, address: string): Promise<number> {
  const opened = await open(browser, address);
  const took = await opened.evaluate<number>(
    `firstRow - performance.getEntriesByType('navigation')[0].responseEnd`,
  );
  await opened.context().close();
  return took;
}

async function transferred(browser: Browser, address: string): Promise<number> {
  const opened = await open(browser, address);
  await opened.locator('.plot canvas').waitFor(); // the chart comes last
  const bytes = await opened.evaluate<number>(`
    [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
      .filter(({ name }) => name.endsWith('/') || name.includes('/page/'))
      .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)`);
  await opened.context().close();
  return bytes;
}

// From the key to the frame after the one that shows it.
async function searched(browser: Browser, address: string): Promise<number> {
  const opened = await open(browser, address);
  await opened.locator('.search input').focus();
  const took = await opened.evaluate<number>(`new Promise(resolve => {
    const input = document.querySelector('.search input');
    const started = performance.now();
    input.value = 'many 42';
    input.dispatchEvent(new Event('input', { bubbles: true }));
    requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - started)));
  })`);
  await opened.context().close();
  return took;
}

async function framesOf(browser: Browser, address: string, { session }: BenchDatabase): Promise<number> {
  const opened = await open(browser, address);
  let writes = true;
  const writing = (async () => {
    while (writes) {
      const due = performance.now() + BEAT;
      await session.query(
        `INSERT INTO tasks (title) SELECT 'passing ' || n FROM generate_series(1, ${EACH / 2}) AS n;
        DELETE FROM tasks WHERE title LIKE 'passing %'`,
      );
      await pause(Math.max(0, due - performance.now()));
    }
  })();
  const frames = await opened.evaluate<number>(`new Promise(resolve => {
    let frames = 0;
    const end = performance.now() + ${WATCHED};
    const count = now => {
      frames++;
      if (now < end) requestAnimationFrame(count);
      else resolve(frames / ${WATCHED / 1_000});
    };
    requestAnimationFrame(count);
  })`);
  writes = false;
  await writing;
  await opened.context().close();
  return frames;
}

// To random positions: until the tasks say that they are as of there.
async function slid(browser: Browser, address: string): Promise<{ ours: number; floor: number }> {
  const opened = await open(browser, address);
  const [ours, floor]: [number[], number[]] = [[], []];
  const slider = opened.locator('.time input');
  const head = Number(await slider.getAttribute('max'));
  for (let step = 0; step < STEPS; step++) {
    const position = Math.floor(Math.random() * head);
    const asked = performance.now();
    await (await fetch(`${address}/tasks?as_of=${position}&limit=60`)).text();
    floor.push(performance.now() - asked);
    ours.push(
      await opened.evaluate<number>(`new Promise(resolve => {
        const started = performance.now();
        const slider = document.querySelector('.time input');
        const look = () => {
          const told = document.querySelector('#tasks .as-of')?.textContent ?? '';
          if (told.replaceAll(/\\D/g, '') === '${position}') resolve(performance.now() - started);
          else requestAnimationFrame(look);
        };
        slider.value = '${position}';
        slider.dispatchEvent(new Event('input', { bubbles: true }));
        look();
      })`),
    );
  }
  await opened.context().close();
  return { ours: quantile(ours, 0.95), floor: quantile(floor, 0.95) };
}
