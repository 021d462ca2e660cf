// Events out: every event of the log into the stream, in order and once. One instance at a time does it, and each time it
// begins it asks the stream itself where it is: nothing else remembers.
import { setTimeout as pause } from 'node:timers/promises';
import { type JetStreamManager, jetstream, jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { FeedEvent } from '../events.ts';
import { EVERYTHING } from '../feed/filter.ts';
import type { Hub } from '../feed/hub.ts';
import type { Log } from '../feed/log_reader.ts';
import { RESETS, subscribe } from '../feed/subscription.ts';
import type { Exclusive } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { openEventStream, readEvent, readTail, refuseUnfit, type Tail } from './event_stream.ts';
import { BEAT_EVERY, sendHeadBeat } from './head_beat.ts';
import { createIncident, type Incident } from './incident.ts';
import { createPublisher, type Publisher } from './publisher.ts';
import { findStart, LogSetBack, refuseOther, type Start } from './start.ts';

export interface BridgeOptions {
  hub: Hub;
  log: Log;
  service: string;
  exclusive: Exclusive;
  /** Told of each event that is in the stream. */
  published(): void;
  /** Whether this instance hears of all that is committed: then it may tell others how far the log is. */
  isCurrent(): boolean;
  logger: Logger;
}

interface Bridge {
  /** Takes part on a connection until it is lost. */
  serve(connection: NatsConnection, lost: AbortSignal): Promise<void>;
  /** Whether this instance is the one that publishes. */
  readonly leading: boolean;
  /** The last position that this instance knows the stream to hold of this log. */
  readonly position: number | undefined;
  readonly incident: Incident;
}

const AGAIN_AFTER = 500; // ms
const PERSON_AFTER = 2_000; // ms: who acts is noticed soon, and who does not costs little
const CHECK_EVERY = 3_000; // ms

export function createBridge(options: BridgeOptions): Bridge {
  const { hub, log, service, exclusive, logger } = options;
  const incident = createIncident(logger, 'events do not get into NATS', 'events get into NATS again');
  let leading = false;
  let position: number | undefined;
  let refused: { event: FeedEvent; sequence: number } | undefined;

  async function lead(connection: NatsConnection, held: AbortSignal): Promise<void> {
    leading = true;
    logger.info('this instance publishes the events to NATS');
    const beating = setInterval(() => {
      if (options.isCurrent()) sendHeadBeat(connection, service, { log: hub.log, position: hub.position });
    }, BEAT_EVERY);
    try {
      while (!held.aborted) {
        await publish(connection, held).catch((error: unknown) => held.aborted || halt(error));
        await pause(incident.needsOperator ? PERSON_AFTER : AGAIN_AFTER, undefined, { signal: held }).catch(
          () => {},
        );
      }
    } finally {
      clearInterval(beating);
      leading = false;
      incident.end(); // the instance that leads now can tell
    }
  }

  function halt(error: unknown): void {
    // The stream's last position is none of this log: taken for one, it would tell that nothing is missing.
    if (error instanceof LogSetBack) position = error.after;
    incident.begin(error);
  }

  // From where the stream ends, until something is not as it should be: that rejects, and the next one begins anew.
  async function publish(connection: NatsConnection, held: AbortSignal): Promise<void> {
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const stream = await openEventStream(manager, service);
    if (refused)
      refuseOther(refused.event, await readEvent(manager, stream, refused.sequence), stream.config.name);
    refused = undefined;
    const tail = await readTail(manager, stream, held);
    const start = await findStart(tail, log, stream.config.name);
    tellStart(start, tail, logger);
    position = start.after;
    const failure = Promise.withResolvers<never>();
    const publisher = createPublisher({
      client: jetstream(connection),
      service,
      log: () => hub.log,
      mostBytes: mostBytesOf(connection, stream),
      after: tail.sequence,
      stored,
      drained: () => subscription.resume(),
      failed: (error, event, sequence) => {
        refused = { event, sequence };
        failure.reject(error);
      },
    });
    const subscription = subscribe({
      hub,
      log,
      head: start.head,
      after: start.after,
      filter: EVERYTHING,
      outlet: {
        write: publisher.publish,
        caughtUp: () => {
          if (publisher.sent === tail.sequence) incident.end();
        },
        ended: reason => failure.reject(new Error(RESETS[reason])),
      },
    });
    try {
      await Promise.race([failure.promise, watch(manager, stream, { tail, publisher }, held)]);
    } finally {
      subscription.close();
      publisher.end();
    }
  }

  function stored(event: FeedEvent): void {
    position = event.position;
    options.published();
    incident.end();
  }

  // What happens to a stream that nothing is published to, the server does not tell: purged, deleted, made anew, filled by others.
  async function watch(
    manager: JetStreamManager,
    opened: StreamInfo,
    { tail, publisher }: { tail: Tail; publisher: Publisher },
    held: AbortSignal,
  ): Promise<void> {
    for (;;) {
      await pause(CHECK_EVERY, undefined, { signal: held });
      const { confirmed } = publisher;
      const now = await manager.streams.info(opened.config.name);
      refuseUnfit(now, service);
      const { last_seq: sequence, messages } = now.state;
      const isEmptied = messages === 0 && (confirmed > tail.sequence || tail.last !== undefined);
      if (now.created !== opened.created || isEmptied || sequence < confirmed || sequence > publisher.sent)
        throw new Error('the stream has changed under the bridge');
    }
  }

  return {
    serve: (connection, lost) => {
      position = undefined; // while this instance was away another one may have published
      return exclusive(held => lead(connection, held), lost);
    },
    get leading() {
      return leading;
    },
    get position() {
      return position;
    },
    incident,
  };
}

function mostBytesOf({ info }: NatsConnection, { config }: StreamInfo): number {
  const ofServer = info?.max_payload ?? Number.POSITIVE_INFINITY;
  return config.max_msg_size > 0 ? Math.min(ofServer, config.max_msg_size) : ofServer;
}

function tellStart({ missing }: Start, { foreign }: Tail, logger: Logger): void {
  if (foreign > 0)
    logger.warn(
      { messages: foreign },
      'somebody else publishes to the subjects of the events; the bridge goes on after it',
    );
  if (missing)
    logger.error(
      missing,
      'the log no longer keeps what the stream lacks: its subscribers miss these positions',
    );
}
