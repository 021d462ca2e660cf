// The service as a process of its own, as in real life, for tests and benchmarks that end it hard or measure it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SERVES = /the API is at (http:[^"\s]+)/;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Running {
  address: string;
  child: ChildProcess;
  /** Ends it as an operator would. */
  stop(): Promise<void>;
  /** Ends it as a power failure would. */
  kill(): Promise<void>;
}

/** An instance on a database; resolves when it serves. Its address is http. */
export async function startService(
  databaseUrl: string,
  environment: Record<string, string> = {},
): Promise<Running> {
  const env = {
    DATABASE_URL: databaseUrl,
    PORT: '0',
    GENERATOR_CRON: 'off',
    RATES_CRON: 'off',
    ...environment,
  };
  return startProcess(process.execPath, ['--max-semi-space-size=16', 'src/main.ts'], env, SERVES); // as `npm start`
}

/** `npm start` as a user types it, with everything in `dataDir`; resolves when it says that it serves. */
export async function startByNpm(dataDir: string): Promise<Running> {
  return startProcess('npm', ['start'], { DATA_DIR: dataDir, PORT: '0', RATES_CRON: 'off' }, SERVES);
}

/** Runs one of the service's programs to its end; tells its exit code and what it said. */
export async function runToEnd(
  environment: NodeJS.ProcessEnv,
  ...args: string[]
): Promise<{ code: number | null; output: string }> {
  const env = { PATH: process.env.PATH, ...environment };
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output += data));
  const [code] = await once(child, 'close');
  return { code, output };
}

/** Runs a program; resolves when a line has told the address. Rejects if it ends before. */
export async function startProcess(
  command: string,
  args: string[],
  environment: Record<string, string>,
  told: RegExp,
): Promise<Running> {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const cutShort = () => child.kill('SIGKILL');
  process.once('exit', cutShort);
  const exited = once(child, 'exit').then(() => process.off('exit', cutShort));
  let address: string | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    address = told.exec(line)?.[1];
    if (address !== undefined) break;
  }
  child.stdout.resume();
  if (address === undefined) throw new Error(`${args.join(' ')} ended before it served`);
  const end = (signal: NodeJS.Signals) => async () => {
    child.kill(signal);
    await exited;
  };
  return { address, child, stop: end('SIGTERM'), kill: end('SIGKILL') };
}
