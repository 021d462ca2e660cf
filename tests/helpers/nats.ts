// The tests that need a nats-server, and what a stream of it holds. Where the program is not installed they are skipped, and say
// so; in CI they fail.
import type { StreamConfig } from '@nats-io/jetstream';
import test, { type ExecutionContext } from 'ava';
import { MISSING, NATS_SERVER, type TestNats } from './nats_server.ts';
import { testsWith } from './program.ts';
import { until } from './until.ts';

export { createTestNats, type TestNats } from './nats_server.ts';

/** A test that needs nats-server. */
export const natsTest = testsWith(test, NATS_SERVER, MISSING);

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
