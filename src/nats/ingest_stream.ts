// Where rates come from: the JetStream stream that keeps them until they are taken, and the durable consumer that all
// instances share.
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { makeStream } from './event_stream.ts';
import { NeedsOperator } from './incident.ts';

/** The subject that rates are told on. */
export const ingestSubject = (service: string) => `${service}.currencies.ingest`;

/** The stream that is made for it, and the consumer, which have one name. */
export const ingestName = (service: string) => `${service}_ingest`;

const ACKNOWLEDGE_WITHIN = 15_000; // ms, then it is sent again: to another instance, if this one is gone
const MOST_WAITING = 100_000; // messages
const MOST_PENDING = 256;

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

/**
 * The consumer, made if it is not there. No limit to deliveries: during an outage the server would count them up, and then
 * forget the message. What fails for its own fault is terminated by us. Throws NeedsPerson for one that would lose any.
 */
export async function openConsumer(
  manager: JetStreamManager,
  stream: string,
  service: string,
): Promise<void> {
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
    throw new NeedsOperator(`the consumer ${name} cannot bring in rates: ${faults.join('; ')}`);
}

const unless = (code: number) => (error: unknown) => {
  if (error instanceof JetStreamApiError && error.code === code) return undefined;
  throw error;
};
