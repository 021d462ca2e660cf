// A real nats-server of one's own, to be stopped, killed and frozen.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type JetStreamClient, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { findLastingPort } from './port.ts';
import { findProgram } from './program.ts';
import { until } from './until.ts';

/** What is said where there is none. */
export const MISSING =
  'nats-server is not installed: `apt-get install nats-server`, or https://github.com/nats-io/nats-server/releases, somewhere in PATH';

/** Where it is; undefined where there is none. */
export const NATS_SERVER = findProgram('nats-server');

export interface TestNats {
  readonly url: string;
  /** A connection that outlives the server: it comes back. */
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  /** Starts it again, with everything it had stored; resolves when it accepts connections. */
  start(): Promise<void>;
  /** Ends it in order, or as a power failure would. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** It takes what is sent and answers nothing, until thawed. */
  freeze(): void;
  thaw(): void;
  /** Ends it and takes away what it stored. */
  drop(): Promise<void>;
}

// Of tests that were cut short.
const servers = new Set<ChildProcess>();
process.once('exit', () => {
  for (const server of servers) server.kill('SIGKILL');
});

/** A server with JetStream on a free port of loopback; `args` beyond the ordinary ones. */
export async function createTestNats(args: string[] = [], credentials = ''): Promise<TestNats> {
  if (NATS_SERVER === undefined) throw new Error(MISSING);
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-nats-'));
  const port = await findLastingPort();
  const all = ['-js', '-sd', folder, '-a', '127.0.0.1', '-p', String(port), ...args];
  let child: ChildProcess | undefined;
  const start = async () => {
    const mine = spawn(NATS_SERVER, all, { stdio: ['ignore', 'ignore', 'pipe'] });
    child = mine;
    servers.add(mine);
    mine.once('exit', () => servers.delete(mine));
    let said = '';
    mine.stderr.on('data', (data: Buffer) => {
      said = `${said}${data}`.slice(-2_000);
    });
    await until(async () => {
      if (mine.exitCode !== null) throw new Error(`nats-server ended with ${mine.exitCode}: ${said}`);
      return accepts(port);
    });
  };
  const end = async (signal: NodeJS.Signals) => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  };
  await start();
  const [user, pass] = credentials.split(':').map(decodeURIComponent);
  const connection = await until(() =>
    connect({
      servers: `127.0.0.1:${port}`,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      ...(user && { user, pass }),
    }).catch(() => undefined),
  );
  return {
    url: `nats://${credentials === '' ? '' : `${credentials}@`}127.0.0.1:${port}`,
    connection,
    client: jetstream(connection),
    manager: await jetstreamManager(connection),
    start,
    end,
    freeze: () => child?.kill('SIGSTOP'),
    thaw: () => child?.kill('SIGCONT'),
    drop: async () => {
      await connection.close();
      await end('SIGKILL');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function accepts(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
