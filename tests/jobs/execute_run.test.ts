// What is told and stored of a run that fails.
import { Writable } from 'node:stream';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import type { RunKind } from '../../src/jobs/run_kind.ts';
import { startJobs } from '../fixtures/jobs.ts';

type Perform = RunKind['perform'];

/** Runs this once, and gives the run and what was logged of it from `info` upwards. */
async function runOnce(t: ExecutionContext, perform: Perform) {
  const kind = {
    kind: 'test_run',
    cron: undefined,
    nextRunAt: () => undefined,
    runsFirst: false,
    sources: [],
  };
  const jobs = await startJobs(t, { kind: 'test_run', topic: 'runs', make: () => ({ ...kind, perform }) });
  const lines: Record<string, unknown>[] = [];
  const ended = Promise.withResolvers<void>();
  const write = (chunk: unknown, _encoding: string, done: () => void) => {
    const line = JSON.parse(String(chunk));
    lines.push(line);
    if (/ended|failed/.test(line.msg)) ended.resolve();
    done();
  };
  await jobs.startWorker({ logger: pino({ level: 'info' }, new Writable({ write })) });
  const run = await jobs.run();
  await ended.promise;
  return { run, lines: lines.filter(line => line.run === run.id) };
}

const { info, warn, error: severe } = pino.levels.values;

test('a run that fails is warned of once, with kind, run and words', async t => {
  const { run, lines } = await runOnce(t, async ({ result }) => {
    result.error = 'the bank is on holiday';
  });
  t.is(run.error, 'the bank is on holiday');
  t.deepEqual(
    lines.map(({ level, msg }) => [level, msg]),
    [
      [info, 'the run started'],
      [warn, 'the run failed'],
    ],
  );
  t.like(lines[1], {
    kind: 'test_run',
    run: run.id,
    attempt: 1,
    error: 'the bank is on holiday',
    fetched: 0,
  });
});

test('a run that fails unexpectedly is an error, once, with its stack', async t => {
  const { run, lines } = await runOnce(t, async () => {
    throw new TypeError('oh');
  });
  t.like(run, { status: 'failed', error: 'an unexpected error; the log of the service knows more' });
  t.deepEqual(
    lines.map(({ level, msg }) => [level, msg]),
    [
      [info, 'the run started'],
      [severe, 'the run failed unexpectedly'],
    ],
  );
});

test('a run that succeeds is no warning', async t => {
  const { lines } = await runOnce(t, async ({ result }) => {
    result.fetched = 2;
  });
  t.like(lines.at(-1), { level: info, msg: 'the run ended', fetched: 2 });
});

test('what a source says is stored without its control characters, and told without them', async t => {
  const wild = '\u001b]0;owned\u0007\0\r\nno\u202E\uD800';
  const { run, lines } = await runOnce(t, async ({ result }) => {
    result.error = wild;
    result.rejections.push({ source: 'sample', external_id: wild, reason: wild });
    result.rejections.push({ source: 'sample', external_id: null, reason: 'x'.repeat(5_000) });
  });
  const tame = ']0;owned no \uFFFD';
  t.is(run.error, tame);
  t.is(lines.at(-1)?.error, tame);
  t.deepEqual(run.rejections, [
    { source: 'sample', external_id: tame, reason: tame },
    { source: 'sample', external_id: null, reason: `${'x'.repeat(999)}…` },
  ]);
});
