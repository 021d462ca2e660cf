// One instance as a process of its own, at a fixed address, on a cable of its own: whatever happens to it, it comes
// back there, as under a supervisor.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Cable } from '../../helpers/cable.ts';
import type { Recorder } from './history.ts';

export interface Instance {
  readonly name: string;
  readonly address: string;
  readonly cable: Cable;
  /** Starts the process; isReady() tells when it serves. */
  start(): void;
  kill(): Promise<void>;
  signal(name: 'SIGSTOP' | 'SIGCONT'): void;
  /** Whether it numbers the events, as far as it can say so now. */
  leads(): Promise<boolean>;
  isReady(): Promise<boolean>;
  /** In order, as an operator would. */
  stop(): Promise<void>;
}

const COMPLAINTS: ReadonlySet<string> = new Set(['warn', 'error', 'fatal']);
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const ASKING = 1_000; // ms

/** An instance that is not started yet. */
export function createInstance(options: {
  name: string;
  port: number;
  databaseUrl: string;
  /** Beyond the ordinary ones. */
  settings: Readonly<Record<string, string>>;
  cable: Cable;
  recorder: Recorder;
}): Instance {
  const { name, port, databaseUrl, settings, cable, recorder } = options;
  const address = `http://127.0.0.1:${port}`;
  const environment = {
    PATH: process.env.PATH,
    DATABASE_URL: cable.through(databaseUrl),
    DATABASE_POOL_SIZE: '5',
    PORT: String(port),
    GENERATOR_CRON: 'off',
    RATES_CRON: 'off',
    ...settings,
  };
  let child: ChildProcess | undefined;
  let wanted = false;

  function start(): void {
    wanted = true;
    const own = spawn(process.execPath, ['src/main.ts'], {
      cwd: ROOT,
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = own;
    createInterface({ input: own.stdout }).on('line', line => hear(line));
    // Why it ends, if it does by itself; said on the suite's own standard error as well, for what is no end.
    createInterface({ input: own.stderr }).on('line', line => {
      recorder.note(`${name}, on stderr: ${line}`);
      process.stderr.write(`${name}: ${line}\n`);
    });
    own.once('close', (code, signal) => {
      if (!wanted || child !== own) return;
      recorder.violated('an instance does not end by itself', `${name} ended (${code ?? signal})`);
      start();
    });
  }

  // What an operator would see: its complaints, and who leads.
  function hear(line: string): void {
    const { level, msg, err } = JSON.parse(line) as { level: string; msg: string; err?: { message: string } };
    if (COMPLAINTS.has(level) || msg.startsWith('leading'))
      recorder.note(`${name}: ${msg}${err ? ` (${err.message})` : ''}`);
  }

  async function end(signal: NodeJS.Signals): Promise<number | null | undefined> {
    wanted = false;
    if (!child || child.exitCode !== null || child.signalCode !== null) return undefined;
    const exited = once(child, 'exit');
    child.kill(signal);
    const [code] = await exited;
    return code;
  }

  const ask = (path: string) => fetch(`${address}${path}`, { signal: AbortSignal.timeout(ASKING) });
  return {
    name,
    address,
    cable,
    start,
    kill: async () => void (await end('SIGKILL')),
    signal: which => child?.kill(which),
    leads: async () => {
      const text = await ask('/metrics')
        .then(answer => answer.text())
        .catch(() => '');
      return /^taskwire_sequencer_leader 1$/m.test(text);
    },
    isReady: () =>
      ask('/health/ready').then(
        answer => answer.ok,
        () => false,
      ),
    stop: async () => {
      const code = await end('SIGTERM');
      if (code !== 0) recorder.violated('an instance stops in order', `${name} ended with ${code}`);
    },
  };
}
