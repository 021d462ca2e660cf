// An instance in a process of its own, to be killed and stopped.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface InstanceProcess {
  readonly child: ChildProcess;
  readonly address: string;
}

/** Resolves once it leads; so it has to be the first on its database. Killed at the end of the test. */
export async function startLeader(t: ExecutionContext, url: string): Promise<InstanceProcess> {
  const child = spawn(process.execPath, ['src/main.ts'], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, DATABASE_URL: url, PORT: '0', GENERATOR_CRON: 'off', RATES_CRON: 'off' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let [address, leads] = ['', false];
  for await (const line of createInterface({ input: child.stdout })) {
    address ||= /the API is at (http:[^"]+)/.exec(line)?.[1] ?? '';
    leads ||= line.includes('leading');
    if (address && leads) break;
  }
  child.stdout.resume();
  return { child, address };
}
