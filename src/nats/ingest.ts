// Rates in: what other services publish, through a durable consumer that all instances share. A message is acknowledged
// once it is in the database; a bad one is kept there and terminated; and while the database is away they wait.
import { setTimeout as pause } from 'node:timers/promises';
import { type Consumer, type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { isTransient } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Ingested, RateMessage, RejectedMessage } from '../parsing/rate.ts';
import { createIncident, type Incident } from './incident.ts';
import { ingestName, openConsumer, openIngestStream } from './ingest_stream.ts';
import { readRateMessage } from './rate_message.ts';

export interface IngestOptions {
  service: string;
  /** Stores a rate. Throws a ServiceError `unavailable` or `timeout` for what passes. */
  store(rate: RateMessage): Promise<Ingested>;
  /** Keeps a bad message; once, however often it is asked to. */
  keepRejected(message: RejectedMessage): Promise<void>;
  /** Told what became of each message. */
  ingested(outcome: 'created' | 'updated' | 'unchanged' | 'rejected'): void;
  logger: Logger;
}

interface Ingest {
  /** Takes messages from a connection until it is lost. */
  serve(connection: NatsConnection, lost: AbortSignal): Promise<void>;
  readonly incident: Incident;
}

const AGAIN_AFTER = 2_000; // ms
const AT_HAND = 32;
const MOST_FAILURES = 5;

export function createIngest(options: IngestOptions): Ingest {
  const { service, store, keepRejected, logger } = options;
  const incident = createIncident(logger, 'rates do not get in from NATS', 'rates get in from NATS again');
  // The messages that failed here and are not known to be taken, by their sequence, and how often each failed for a reason
  // that need not pass. Never the deliveries that the server counts: those are outages, too, and instances that died.
  const failures = new Map<number, number>();

  async function consume(connection: NatsConnection, lost: AbortSignal): Promise<void> {
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const stream = await openIngestStream(manager, service);
    await openConsumer(manager, stream, service);
    const consumer = await jetstream(connection).consumers.get(stream, ingestName(service));
    const messages = await consumer.consume({
      max_messages: AT_HAND,
      expires: 10_000,
      idle_heartbeat: 2_500,
      abort_on_missing_resource: true,
    });
    const ended = new AbortController();
    const signal = AbortSignal.any([lost, ended.signal]);
    const close = () => void messages.close();
    lost.addEventListener('abort', close);
    if (lost.aborted) close();
    failures.clear(); // a stream that was made anew counts from 1
    incident.end();
    const looking = lookAfter(consumer, signal);
    try {
      for await (const message of messages) await take(message);
    } finally {
      lost.removeEventListener('abort', close);
      ended.abort();
      await looking;
    }
  }

  async function take(message: JsMsg): Promise<void> {
    const reading = readRateMessage(message.data);
    try {
      if ('fault' in reading) await reject(message, reading.fault);
      else await storeRate(message, reading.message);
      failures.delete(message.seq);
      overIfNone();
    } catch (error) {
      const before = failures.get(message.seq) ?? 0;
      failures.set(message.seq, isTransient(error) ? before : before + 1);
      incident.begin(error);
      settle(() => message.nak(AGAIN_AFTER));
    }
  }

  async function storeRate(message: JsMsg, rate: RateMessage): Promise<void> {
    const stored = await store(rate).catch((error: unknown) => {
      // What was not foreseen may pass, too, but not every time.
      if (isTransient(error) || (failures.get(message.seq) ?? 0) + 1 < MOST_FAILURES) throw error;
      logger.error({ err: error }, 'a message cannot be stored, for a reason that does not pass');
      return { refused: 'it could not be stored; the log of the service says why' };
    });
    if ('refused' in stored) return reject(message, stored.refused);
    options.ingested(stored.outcome);
    settle(() => message.ack());
  }

  // What failed here comes again to any instance. The server knows up to where all messages are taken, by whomever: then
  // the trouble is over, though this instance may never see another message.
  async function lookAfter(consumer: Consumer, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(AGAIN_AFTER, undefined, { signal }).catch(() => {});
      if (signal.aborted || failures.size === 0) continue;
      const info = await consumer.info().catch(() => undefined); // consume() meets what is wrong with NATS
      for (const sequence of failures.keys())
        if (info && sequence <= info.ack_floor.stream_seq) failures.delete(sequence);
      overIfNone();
    }
  }

  function overIfNone(): void {
    if (failures.size === 0) incident.end();
  }

  // First kept, then terminated: an instance that dies between is sent it again, and it is kept once all the same.
  async function reject(message: JsMsg, reason: string): Promise<void> {
    const { stream, streamSequence: sequence } = message.info;
    const { subject, data: payload, time: sentAt } = message;
    await keepRejected({ subject, payload, reason, stream, sequence, sentAt });
    options.ingested('rejected');
    logger.warn({ subject, stream, sequence, reason }, 'a message was rejected');
    settle(() => message.term());
  }

  return {
    async serve(connection, lost) {
      while (!lost.aborted) {
        await consume(connection, lost).catch((error: unknown) => lost.aborted || incident.begin(error));
        await pause(AGAIN_AFTER, undefined, { signal: lost }).catch(() => {});
      }
    },
    incident,
  };
}

// A connection that is lost by now says nothing to the server: the message comes again, and changes nothing.
function settle(tell: () => void): void {
  try {
    tell();
  } catch {}
}
