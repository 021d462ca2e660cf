// The JetStream stream that the events go to: how it is made, what it must be, and where it ends.
import {
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StoredMsg,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { type MsgHdrs, nanos } from '@nats-io/transport-node';
import { z } from 'zod';
import type { FeedEvent } from '../events.ts';
import { NeedsOperator } from './incident.ts';

/** The header that names the epoch of the log in which a message was published. */
export const LOG_HEADER = 'Taskwire-Log';

/** The header of an event that is larger than NATS takes: where its data can be read, as a path of the service. */
export const DATAREF_HEADER = 'Taskwire-Dataref';

const ID_HEADER = 'Nats-Msg-Id';
const MOST_MESSAGES = 1_000_000;
const DUPLICATE_WINDOW = 1_000; // ms
const NAME_IN_USE = 10058;
const STREAM_NOT_FOUND = 10059;

/** A service's stream, by name. */
export const eventStreamName = (service: string) => `${service}_events`;

/** The subject of an event. What a user's own status may hold and a subject may not is written as in an address. */
export function subjectOf(service: string, { topic, type }: Pick<FeedEvent, 'topic' | 'type'>): string {
  return `${service}.events.${topic}.${type.replace(/[^\w-]/gu, encodeURIComponent).replace(/[.*]/g, escaped)}`;
}

const escaped = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;

/**
 * The stream, made if it is not there. No limit of age: the last message is how the bridge knows where it was, and age
 * would take that too. A short memory for ids: order and uniqueness rest on the expected sequence, and a purged stream
 * would refuse what it remembers. Throws NeedsPerson if what is there cannot hold what is promised.
 */
export async function openEventStream(manager: JetStreamManager, service: string): Promise<StreamInfo> {
  const name = eventStreamName(service);
  const info = (await findStream(manager, name)) ?? (await makeStream(manager, configFor(service)));
  refuseUnfit(info, service);
  return info;
}

function configFor(service: string) {
  return {
    name: eventStreamName(service),
    description: `Every event of ${service}, once, in the order of its position`,
    subjects: [`${service}.events.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    max_msgs: MOST_MESSAGES,
    duplicate_window: nanos(DUPLICATE_WINDOW),
  };
}

async function findStream(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  return manager.streams.info(name).catch((error: unknown) => {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return undefined;
    throw error;
  });
}

/** Makes a stream, or finds the one that another instance has made meanwhile. */
export async function makeStream(
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { name: string },
): Promise<StreamInfo> {
  try {
    return await manager.streams.add(config);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === NAME_IN_USE)
      return manager.streams.info(config.name);
    throw error;
  }
}

/** Throws NeedsPerson with all that keeps a stream from holding every event once, in order, and its last one always. */
export function refuseUnfit({ config }: StreamInfo, service: string): void {
  const subject = `${service}.events.>`;
  const faults = [
    ...(config.subjects?.length === 1 && config.subjects[0] === subject
      ? []
      : [`its subjects must be ${subject} and nothing else`]),
    ...(config.retention === RetentionPolicy.Limits ? [] : ['its retention must be limits']),
    ...(config.storage === StorageType.File ? [] : ['its storage must be file']),
    ...(config.discard === DiscardPolicy.Old ? [] : ['it must discard old messages']),
    ...(config.max_age > 0
      ? ['it must have no limit of age, which would take its last message from a quiet service']
      : []),
    ...(config.max_msgs_per_subject > 0 ? ['it must have no limit per subject, which makes gaps'] : []),
    ...(config.subject_transform ? ['it must leave subjects as they are'] : []),
    ...(config.no_ack ? ['it must acknowledge'] : []),
    ...(config.sealed ? ['it must not be sealed'] : []),
    ...(config.mirror || config.sources?.length ? ['it must have no other source'] : []),
  ];
  if (faults.length > 0)
    throw new NeedsOperator(`the stream ${config.name} cannot hold the events: ${faults.join('; ')}`);
}

/** What an event is known by, in whatever log and however rendered. */
const EventIdentity = z.object({
  type: z.string(),
  subject: z.string(),
  time: z.string(),
  transaction: z.string(),
});

/** An event of a stream, and what is told of it. */
export interface StreamedEvent {
  position: number;
  log: string;
  identity: z.infer<typeof EventIdentity> | undefined;
}

/** Where a stream ends. */
export interface Tail {
  /** The sequence of its last message, also of one that is gone. */
  sequence: number;
  last: StreamedEvent | undefined;
  /** How many messages of other publishers come after it. */
  foreign: number;
}

/**
 * Asks the stream where it ends; what other publishers have put there is looked past. An empty stream is asked for no
 * message: it may be one that is only being made, and nats-server 2.9 dies of that.
 */
export async function readTail(
  manager: JetStreamManager,
  { config, state }: StreamInfo,
  signal: AbortSignal,
): Promise<Tail> {
  const { first_seq: first, last_seq: sequence } = state;
  let foreign = 0;
  for (let at = sequence; state.messages > 0 && at >= first; at--) {
    signal.throwIfAborted();
    const message = await manager.streams.getMessage(config.name, { seq: at });
    const last = message && toStreamedEvent(message);
    if (last) return { sequence, last, foreign };
    if (message) foreign++;
  }
  return { sequence, last: undefined, foreign };
}

/** The event at a sequence; undefined if there is none, or a message of another publisher. */
export async function readEvent(
  manager: JetStreamManager,
  { config, state }: StreamInfo,
  sequence: number,
): Promise<StreamedEvent | undefined> {
  if (state.messages === 0) return undefined; // as above
  const message = await manager.streams.getMessage(config.name, { seq: sequence });
  return message ? toStreamedEvent(message) : undefined;
}

function toStreamedEvent(message: StoredMsg): StreamedEvent | undefined {
  const place = placeOf(message.header);
  return place && { ...place, identity: identityOf(message.string()) };
}

/** The position and the epoch that the headers of a message name; undefined if it is of another publisher. */
export function placeOf(headers: MsgHdrs): { position: number; log: string } | undefined {
  const [id, log] = [headers.get(ID_HEADER), headers.get(LOG_HEADER)];
  if (!/^[1-9]\d{0,14}$/.test(id) || log === '') return undefined;
  return { position: Number(id), log };
}

/** What an event's JSON text tells of it; undefined if it is none. */
export function identityOf(json: string): z.infer<typeof EventIdentity> | undefined {
  try {
    return EventIdentity.safeParse(JSON.parse(json)).data;
  } catch {
    return undefined;
  }
}
