// Rates in: what other services publish, through a durable consumer that all instances share. A message is acknowledged
// once it is in the database; a bad one is kept there and terminated; and while the database is away they wait.

import { setTimeout as pause } from 'node:timers/promises';
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/transport-node';
import { ServiceError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Ingested, RateMessage, RejectedMessage } from '../rate.ts';
import { makeStream } from './event_stream.ts';
import { readRateMessage } from './rate_message.ts';
import { createTrouble, NeedsPerson, type Trouble } from './trouble.ts';

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

export interface Ingest {
  /** Takes messages from a connection until it is lost. */
  serve(connection: NatsConnection, lost: AbortSignal): Promise<void>;
  readonly trouble: Trouble;
}

/** The subject that rates are told on. */
export const ingestSubject = (service: string) => `${service}.currencies.ingest`;

/** The stream that is made for it, and the consumer, which have one name. */
export const ingestName = (service: string) => `${service}_ingest`;

const AGAIN_AFTER = 2_000; // ms
const ACKNOWLEDGE_WITHIN = 15_000; // ms, then it is sent again: to another instance, if this one is gone
const MOST_WAITING = 100_000; // messages
const MOST_PENDING = 256;
const AT_HAND = 32;
const MOST_FAILURES = 5;

export function createIngest(options: IngestOptions): Ingest {
  const { service, store, keepRejected, logger } = options;
  const trouble = createTrouble(logger, 'rates do not get in from NATS', 'rates get in from NATS again');

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
    const close = () => void messages.close();
    lost.addEventListener('abort', close);
    if (lost.aborted) close();
    trouble.over();
    for await (const message of messages) await take(message);
    lost.removeEventListener('abort', close);
  }

  async function take(message: JsMsg): Promise<void> {
    const reading = readRateMessage(message.data);
    try {
      if ('fault' in reading) await reject(message, reading.fault);
      else await storeRate(message, reading.message);
      trouble.over();
    } catch (error) {
      trouble.meet(error);
      settle(() => message.nak(AGAIN_AFTER));
    }
  }

  async function storeRate(message: JsMsg, rate: RateMessage): Promise<void> {
    const stored = await store(rate).catch((error: unknown) => {
      // What nobody has foreseen may pass, too, but not every time.
      if (isPassing(error) || message.info.deliveryCount < MOST_FAILURES) throw error;
      logger.error({ err: error }, 'a message cannot be stored, for a reason that does not pass');
      return { refused: 'it could not be stored; the log of the service says why' };
    });
    if ('refused' in stored) return reject(message, stored.refused);
    options.ingested(stored.outcome);
    settle(() => message.ack());
  }

  // First kept, then terminated: whoever dies between is sent it again, and it is kept once all the same.
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
        await consume(connection, lost).catch((error: unknown) => lost.aborted || trouble.meet(error));
        await pause(AGAIN_AFTER, undefined, { signal: lost }).catch(() => {});
      }
    },
    trouble,
  };
}

// A connection that is lost by now says nothing to the server: the message comes again, and changes nothing.
function settle(tell: () => void): void {
  try {
    tell();
  } catch {}
}

function isPassing(error: unknown): boolean {
  return error instanceof ServiceError && (error.code === 'unavailable' || error.code === 'timeout');
}

/**
 * The name of the stream that keeps the subject's messages: an operator's own, or one that is made. Ours holds what was
 * not taken yet, and when it is full it refuses what comes rather than to forget what is there.
 */
export async function openIngestStream(manager: JetStreamManager, service: string): Promise<string> {
  const subject = ingestSubject(service);
  const found = await manager.streams.find(subject).catch(unless(JetStreamApiCodes.StreamNotFound));
  if (found !== undefined) return found;
  const made = await makeStream(manager, {
    name: ingestName(service),
    description: `Rates that ${service} has yet to take`,
    subjects: [subject],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    max_msgs: MOST_WAITING,
  });
  return made.config.name;
}

// No limit to deliveries: during an outage the server would count them up, and then forget the message. What fails for
// its own fault is terminated by us.
async function openConsumer(manager: JetStreamManager, stream: string, service: string): Promise<void> {
  const name = ingestName(service);
  const found = await manager.consumers.info(stream, name).catch(unless(JetStreamApiCodes.ConsumerNotFound));
  const config: Partial<ConsumerConfig> = {
    durable_name: name,
    filter_subject: ingestSubject(service),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(ACKNOWLEDGE_WITHIN),
    max_ack_pending: MOST_PENDING,
    max_deliver: -1,
  };
  refuseUnfit(found ?? (await manager.consumers.add(stream, config)), service);
}

function refuseUnfit({ name, config }: ConsumerInfo, service: string): void {
  const subject = ingestSubject(service);
  const faults = [
    ...(config.ack_policy === AckPolicy.Explicit ? [] : ['its acknowledgements must be explicit']),
    ...(config.filter_subject === subject ? [] : [`it must be of ${subject} alone`]),
    ...(config.deliver_subject ? ['it must be pulled from'] : []),
    ...((config.max_deliver ?? -1) > 0 ? ['it must not limit deliveries: an outage would use them up'] : []),
  ];
  if (faults.length > 0)
    throw new NeedsPerson(`the consumer ${name} cannot bring in rates: ${faults.join('; ')}`);
}

const unless = (code: number) => (error: unknown) => {
  if (error instanceof JetStreamApiError && error.code === code) return undefined;
  throw error;
};
