// What `npm test` promises beyond running the tests.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { processStamp } from '../src/embedded/process.ts';
import { until } from './helpers/until.ts';

const RUN = fileURLToPath(new URL('helpers/run.ts', import.meta.url));

test('a test that runs into its time limit leaves no server behind', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-overlong-'));
  const pids = join(folder, 'pids');
  const started = () => readFile(pids, 'utf8').catch(() => '');
  const child = spawn(process.execPath, [RUN, 'tests/fixtures/overlong.ts', '--timeout=15s'], {
    env: { ...process.env, OVERLONG_PIDS: pids, CI: '' },
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  const ended = once(child, 'exit');
  await until(async () => (await started()) !== '');
  const servers = (await started()).split(' ').map(Number);
  for (const pid of servers) t.not(await processStamp(pid), undefined, 'it runs while its test does');
  const [code] = await ended;
  t.is(code, 1);
  await until(async () => (await Promise.all(servers.map(processStamp))).every(stamp => stamp === undefined));
  await rm(folder, { recursive: true });
  t.pass();
});
