// The processes that a benchmark measures: the service and its floors, each on its own as in real life.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Running {
  address: string;
  child: ChildProcess;
  stop(): Promise<void>;
}

/** An instance on a database; resolves when it serves. Its address is http. */
export async function startService(
  databaseUrl: string,
  environment: Record<string, string> = {},
): Promise<Running> {
  const env = { DATABASE_URL: databaseUrl, PORT: '0', GENERATOR_CRON: 'off', ...environment };
  return start(['src/main.ts'], env, /the API is at (http:[^"\s]+)/);
}

/** A floor of this folder; it prints its address as its first line. */
export async function startFloor(file: string, databaseUrl: string): Promise<Running> {
  return start([`tests/bench/${file}`, databaseUrl], {}, /((?:ws|http):\S+)/);
}

/** An open socket that has said what it says first, if it says anything. */
export async function connectSocket(address: string): Promise<WebSocket> {
  const socket = new WebSocket(address.replace(/^http/, 'ws'), { perMessageDeflate: false });
  const ready = address.includes('/ws/') ? once(socket, 'message') : once(socket, 'open');
  await ready;
  return socket;
}

async function start(args: string[], environment: Record<string, string>, told: RegExp): Promise<Running> {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { PATH: process.env.PATH, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let address: string | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    address = told.exec(line)?.[1];
    if (address !== undefined) break;
  }
  child.stdout.resume();
  if (address === undefined) throw new Error(`${args.join(' ')} ended before it served`);
  return {
    address,
    child,
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}
