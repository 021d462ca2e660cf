// How far the log is, told every second by the instance that publishes the events, beside the stream and kept nowhere. So an
// instance that lives off the stream knows what it lacks without asking the database for it.
import type { NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';

/** How often it is told, in ms. */
export const BEAT_EVERY = 1_000;

const HeadBeat = z.object({ log: z.string(), position: z.int().nonnegative() });

/** The epoch of the log, and its last position. */
export type HeadBeat = z.infer<typeof HeadBeat>;

const subjectFor = (service: string) => `${service}.head`;

/** Tells it to all who listen now; to nobody over a connection that is closed. */
export function sendHeadBeat(connection: NatsConnection, service: string, beat: HeadBeat): void {
  if (!connection.isClosed()) connection.publish(subjectFor(service), JSON.stringify(beat));
}

/** Calls for each beat that comes over the connection; what is none is passed over. */
export function onHeadBeat(
  connection: NatsConnection,
  service: string,
  heard: (beat: HeadBeat) => void,
): void {
  connection.subscribe(subjectFor(service), {
    callback: (error, message) => {
      const { data } = error ? { data: undefined } : HeadBeat.safeParse(parseJson(message.string()));
      if (data) heard(data);
    },
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
