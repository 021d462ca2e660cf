// Events in, for an instance that has no LISTEN: what the bridge has published comes off the stream as it was published, to
// be told to the relay with its position and its epoch. The stream is only the quicker way. What it does not bring, because
// NATS is away, the bridge has halted, an event was too large for it or it was made anew, is read from the log: the bridge's
// instance tells every second how far the log is (head_beat.ts), and while it is silent the log itself is asked as often.
import { setTimeout as pause } from 'node:timers/promises';
import { DeliverPolicy, type JsMsg, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { FeedEvent } from '../events.ts';
import type { Hub } from '../feed/hub.ts';
import type { Source, Told } from '../feed/source.ts';
import type { Logger } from '../logger.ts';
import { createConnector } from './connection.ts';
import { DATAREF_HEADER, eventStreamName, placeOf } from './event_stream.ts';
import { BEAT_EVERY, type HeadBeat, onHeadBeat } from './head_beat.ts';
import { createIncident } from './incident.ts';
import { parseEvent } from './published_event.ts';

interface StreamSourceOptions {
  url: string;
  service: string;
  told: Told;
  /** Where the relay stands. */
  hub: Pick<Hub, 'log' | 'position'>;
  logger: Logger;
}

const AGAIN_AFTER = 500; // ms
const ASK_EVERY = 1_000; // ms
const SILENT_AFTER = 2.5 * BEAT_EVERY;
const MOST_MESSAGES = 500; // that the server may send ahead

/** The source on NATS. start() returns at once, whether NATS is there or not. */
export function createStreamSource({ url, service, told, hub, logger }: StreamSourceOptions): Source {
  const incident = createIncident(
    logger,
    'events do not come by the stream, and are read from the log, late',
    'events come by the stream again',
  );
  let heardAt = Number.NEGATIVE_INFINITY; // the last beat
  let last: HeadBeat | undefined;
  let streamed = 0; // the last position that the stream has brought
  let endFollowing: (() => void) | undefined; // while there is a consumer
  let asking: NodeJS.Timeout | undefined;

  const connector = createConnector({ url, service, logger, serve });

  async function serve(connection: NatsConnection, lost: AbortSignal): Promise<void> {
    onHeadBeat(connection, service, beat);
    while (!lost.aborted) {
      await follow(connection, lost).catch((error: unknown) => lost.aborted || incident.begin(error));
      await pause(AGAIN_AFTER, undefined, { signal: lost }).catch(() => {});
    }
  }

  // From where the stream ends on. What was committed before is in the log: it is looked at once the consumer is there.
  async function follow(connection: NatsConnection, lost: AbortSignal): Promise<void> {
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const name = eventStreamName(service);
    const { state } = await manager.streams.info(name);
    const consumer = await jetstream(connection).consumers.get(name, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: state.last_seq + 1,
    });
    const messages = await consumer.consume({
      max_messages: MOST_MESSAGES,
      abort_on_missing_resource: true,
    });
    const end = () => messages.stop();
    lost.addEventListener('abort', end);
    const late = new Promise<never>((_, reject) => {
      endFollowing = () =>
        reject(new Error(`the stream lacks what the log has up to position ${last?.position}`));
    });
    try {
      told.missed();
      await Promise.race([late, takeAll(messages)]);
    } finally {
      endFollowing = undefined;
      lost.removeEventListener('abort', end);
      end();
      await consumer.delete().catch(() => {}); // the server's own patience would keep it for minutes
    }
  }

  // What has come by one turn of the event loop is told in one go, as a batch of the sequencer is: then it leaves by one system
  // call for each socket, not by one for each event.
  async function takeAll(messages: AsyncIterable<JsMsg>): Promise<void> {
    let come: JsMsg[] = [];
    const tell = () => {
      const all = come;
      come = [];
      for (const message of all) take(message);
    };
    for await (const message of messages) {
      if (come.length === 0) setImmediate(tell);
      come.push(message);
    }
  }

  function take(message: JsMsg): void {
    const place = message.headers && placeOf(message.headers);
    if (!place) return; // of another publisher
    incident.end();
    const { position, log } = place;
    streamed = position;
    if (position <= hub.position && log === hub.log) return;
    const event = message.headers?.has(DATAREF_HEADER) ? undefined : eventAt(position, message.string());
    if (event) told.offered(log, event);
    else if (log === hub.log) told.heard(position);
    else told.missed();
  }

  // An event overtakes the beat that counts it. What the beat before knew of has had its time.
  function beat(now: HeadBeat): void {
    heardAt = performance.now();
    const before = last;
    last = now;
    if (now.log !== hub.log) return void told.missed();
    const isLate = before?.log === hub.log && before.position > Math.max(streamed, hub.position);
    if (isLate) {
      told.heard(before.position);
      endFollowing?.();
    } else if (endFollowing) incident.end();
  }

  function ask(): void {
    if (performance.now() - heardAt > SILENT_AFTER) told.missed();
  }

  return {
    name: 'stream source',
    obstacle: undefined,
    get warnings() {
      return [connector.incident, incident].flatMap(({ reason }) => reason ?? []);
    },
    async start() {
      asking ??= setInterval(ask, ASK_EVERY);
      await connector.start();
    },
    async stop() {
      clearInterval(asking);
      await connector.stop();
    },
  };
}

function eventAt(position: number, json: string): FeedEvent | undefined {
  const event = parseEvent(json);
  return event?.position === position ? event : undefined;
}
