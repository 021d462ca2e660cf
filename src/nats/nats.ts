// NATS, all of it: the connection, events out, rates in, and a message for trying it.
import { jetstream } from '@nats-io/jetstream';
import { ServiceError } from '../errors.ts';
import type { Service } from '../lifecycle.ts';
import { type BridgeOptions, createBridge } from './bridge.ts';
import { createConnector } from './connection.ts';
import { createIngest, type IngestOptions } from './ingest.ts';
import { ingestSubject } from './ingest_stream.ts';

interface NatsState {
  connected: boolean;
  /** Whether this instance publishes the events. */
  leading: boolean;
  /** Whether something lasts until a person has acted. */
  needsOperator: boolean;
  /** The last position that the stream is known to hold; undefined where another instance would know. */
  position: number | undefined;
  /** What is wrong, in sentences. */
  incidents: readonly string[];
}

/** Where a message went. */
export interface PublishedMessage {
  subject: string;
  stream: string;
  sequence: number;
}

export interface Nats extends Service {
  state(): NatsState;
  /** Publishes what another service would, to those who bring it in. Throws a ServiceError `broker_unavailable`. */
  publishRate(message: { currency: string; rate: string; timestamp: string }): Promise<PublishedMessage>;
}

const PUBLISH_WITHIN = 3_000; // ms

/** NATS for an instance: works from start() to stop(), whether it is there or not. */
export function createNats(options: { url: string } & BridgeOptions & IngestOptions): Nats {
  const { url, service, logger } = options;
  const bridge = createBridge(options);
  const ingest = createIngest(options);
  const connector = createConnector({
    url,
    service,
    logger,
    serve: async (connection, lost) => {
      await Promise.all([bridge.serve(connection, lost), ingest.serve(connection, lost)]);
    },
  });
  const incidents = [connector.incident, bridge.incident, ingest.incident];

  return {
    name: 'nats',
    start: connector.start,
    stop: connector.stop,
    state: () => {
      const connected = connector.connection !== undefined;
      return {
        connected,
        leading: bridge.leading,
        needsOperator: incidents.some(incident => incident.needsOperator),
        position: bridge.leading || !connected ? bridge.position : undefined,
        incidents: incidents.flatMap(({ reason }) => reason ?? []),
      };
    },
    async publishRate(message) {
      const subject = ingestSubject(service);
      try {
        if (!connector.connection) throw new Error('there is no connection');
        const client = jetstream(connector.connection);
        const answer = await client.publish(subject, JSON.stringify(message), { timeout: PUBLISH_WITHIN });
        return { subject, stream: answer.stream, sequence: answer.seq };
      } catch (error) {
        throw new ServiceError('broker_unavailable', 'NATS did not take the message; try again', {
          headers: { 'Retry-After': '1' },
          cause: error,
        });
      }
    },
  };
}
