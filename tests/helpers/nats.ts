// A real nats-server of one's own, to be stopped, killed and frozen; and what a stream of it holds. Where the program is
// not installed the tests that need it are skipped, and say so; in CI they fail.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import {
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import test, { type ExecutionContext, type Implementation } from 'ava';
import { findLastingPort } from './port.ts';
import { until } from './until.ts';

const MISSING =
  'nats-server is not installed: `apt-get install nats-server`, or https://github.com/nats-io/nats-server/releases, somewhere in PATH';

const program = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/bin']
  .map(folder => join(folder, 'nats-server'))
  .find(existsSync);

if (program === undefined && !process.env.CI) process.stderr.write(`\n!!! SKIPPED, because ${MISSING}\n\n`);

/** Whether there is a nats-server on this machine. */
export const hasNats = () => program !== undefined;

/** A test that needs nats-server. */
export function natsTest(title: string, body: Implementation<[], unknown>): void {
  if (program !== undefined) test(title, body as Implementation<[]>);
  else if (process.env.CI) test(title, t => t.fail(MISSING));
  else test.skip(title, body as Implementation<[]>);
}

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
  if (program === undefined) throw new Error(MISSING);
  const folder = await mkdtemp(join(tmpdir(), 'taskwire-nats-'));
  const port = await findLastingPort();
  const all = ['-js', '-sd', folder, '-a', '127.0.0.1', '-p', String(port), ...args];
  let child: ChildProcess | undefined;
  const start = async () => {
    const mine = spawn(program, all, { stdio: ['ignore', 'ignore', 'pipe'] });
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

/** A message of the stream of events. */
export interface Streamed {
  sequence: number;
  subject: string;
  /** Its Nats-Msg-Id. */
  id: string;
  log: string;
  /** Where its data can be read, if they are not here; else ''. */
  dataref: string;
  body: string;
}

/** Everything that a stream holds, in its order. */
export async function readStream(nats: TestNats, name = 'taskwire_events'): Promise<Streamed[]> {
  const { state } = await nats.manager.streams.info(name);
  if (state.messages === 0) return [];
  const consumer = await nats.client.consumers.get(name, { deliver_policy: 'all' });
  const found: Streamed[] = [];
  const messages = await consumer.consume({ max_messages: 1_000 });
  for await (const message of messages) {
    found.push({
      sequence: message.seq,
      subject: message.subject,
      id: message.headers?.get('Nats-Msg-Id') ?? '',
      log: message.headers?.get('Taskwire-Log') ?? '',
      dataref: message.headers?.get('Taskwire-Dataref') ?? '',
      body: message.string(),
    });
    if (message.seq >= state.last_seq) break;
  }
  await messages.close();
  await consumer.delete().catch(() => {});
  return found;
}

/** The last position that the stream holds; 0 for none, or if there is no stream. */
export async function lastPosition(nats: TestNats, name = 'taskwire_events'): Promise<number> {
  const { streams } = nats.manager;
  const info = await streams.info(name).catch(() => undefined);
  // A server of this version dies of being asked for a message of a stream that is only being made.
  if (!info || info.state.messages === 0) return 0;
  const of = { last_by_subj: `${name.replace(/_events$/, '')}.events.>` };
  const message = await streams.getMessage(name, of).catch(() => null);
  return Number(message?.header.get('Nats-Msg-Id') || 0);
}

/** Resolves once the stream has this position. */
export async function untilPosition(nats: TestNats, position: number, name?: string): Promise<void> {
  await until(async () => (await lastPosition(nats, name)) >= position);
}

/** The stream holds exactly these positions, in this order. */
export async function holdsPositions(
  t: ExecutionContext,
  nats: TestNats,
  { from = 1, through }: { from?: number; through: number },
): Promise<Streamed[]> {
  const found = await readStream(nats);
  const expected = Array.from({ length: through - from + 1 }, (_, index) => String(from + index));
  t.deepEqual(
    found.map(message => message.id),
    expected,
  );
  t.true(found.every(({ id, body }) => JSON.parse(body).position === Number(id)));
  return found;
}

/** A stream with the bridge's own configuration but for what is given. */
export async function makeEventStream(
  nats: TestNats,
  given: Partial<StreamConfig>,
  service = 'taskwire',
): Promise<void> {
  await nats.manager.streams.add({
    name: `${service}_events`,
    subjects: [`${service}.events.>`],
    ...given,
  });
}

/** Where rates are told, and one. */
export const INGEST = 'taskwire.currencies.ingest';
export const USD = { currency: 'USD', rate: '83.51', timestamp: '2026-11-01T12:00:00Z' };

/** Publishes a message of these bytes, or this JSON, for an instance to bring in; waits for its stream to be there. */
export async function tell(nats: TestNats, body: unknown): Promise<void> {
  const payload = body instanceof Uint8Array || typeof body === 'string' ? body : JSON.stringify(body);
  await until(() => nats.client.publish(INGEST, payload).catch(() => undefined));
}

/** Resolves once every message was acknowledged or terminated. */
export async function untilTaken(nats: TestNats): Promise<void> {
  await until(async () => (await nats.manager.streams.info('taskwire_ingest')).state.messages === 0);
}
