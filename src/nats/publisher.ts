// Publishes events one behind the other onto a stream, many on their way at a time. Each names the sequence that it
// must come after, so the server takes them in this order, or the one that fails and none behind it: an instance that publishes
// the same, a twin that is late or has been quicker, is refused.
//
// All but the first also name the id of the one before: a message of another publisher in between would take just the
// sequence of one that is refused, and those behind it would fit. The first cannot: the server knows the last id only
// for as long as it lives, or within its window for duplicates, and after that would refuse everything.
//
// An answer of "duplicate" counts as a failure: the server gives it before it looks at the sequence, and also for a
// message that was purged since, or that had other content.
import { JetStreamApiError, type JetStreamClient } from '@nats-io/jetstream';
import { errors, headers } from '@nats-io/transport-node';
import { type FeedEvent, withoutData } from '../events.ts';
import { DATAREF_HEADER, LOG_HEADER, subjectOf } from './event_stream.ts';
import { NeedsOperator } from './incident.ts';

export interface Publisher {
  /** Sends the next event. False: enough is on its way, until `drained` is told. */
  publish(event: FeedEvent): boolean;
  /** The sequences that the server has confirmed, and that were sent. */
  readonly confirmed: number;
  readonly sent: number;
  /** Whatever is on its way is of no interest any more. */
  end(): void;
}

interface PublisherOptions {
  client: JetStreamClient;
  service: string;
  /** The epoch of the log that the events are of, as it is when one is sent. */
  log(): string;
  /** How large a message may be: of what is larger the data stay behind, and a header says where they can be read. */
  mostBytes: number;
  /** The stream's last sequence. */
  after: number;
  /** An event is in the stream, and all before it. */
  stored(event: FeedEvent): void;
  /** There is room again. */
  drained(): void;
  /** An event did not get in, under its sequence, so that nothing behind it can. Told once; nothing is told after it. */
  failed(error: unknown, event: FeedEvent, sequence: number): void;
}

const MOST_MESSAGES = 512; // on their way
const MOST_CHARACTERS = 4 * 1024 * 1024;
const ANSWER_WITHIN = 10_000; // ms
const HEADERS_BYTES = 512; // at most

export function createPublisher(options: PublisherOptions): Publisher {
  const { client, service, after, mostBytes } = options;
  let [sent, confirmed] = [after, after];
  let characters = 0;
  let ended = false;
  let full = false;

  async function send(event: FeedEvent, sequence: number): Promise<void> {
    const own = headers();
    own.set(LOG_HEADER, options.log());
    const isLarge = isLargerThan(event.json, mostBytes - HEADERS_BYTES);
    const dataref = `/events?after=${event.position - 1}&limit=1`;
    if (isLarge) own.set(DATAREF_HEADER, dataref);
    const body = isLarge ? withoutData(event, dataref) : event.json;
    const answer = await client.publish(subjectOf(service, event), body, {
      msgID: String(event.position),
      headers: own,
      expect: expectationOf(event, sequence),
      timeout: ANSWER_WITHIN,
    });
    if (answer.duplicate || answer.seq !== sequence)
      throw new Error(`the stream says that it had position ${event.position} already`);
  }

  function expectationOf({ position }: FeedEvent, sequence: number) {
    const lastSequence = sequence - 1;
    return lastSequence === after ? { lastSequence } : { lastSequence, lastMsgID: String(position - 1) };
  }

  function store(event: FeedEvent, sequence: number): void {
    if (ended) return;
    confirmed = Math.max(confirmed, sequence); // in order, as far as answers come in order
    characters -= event.json.length;
    options.stored(event);
    if (!full || sent - confirmed > MOST_MESSAGES / 2 || characters > MOST_CHARACTERS / 2) return;
    full = false;
    options.drained();
  }

  function fail(event: FeedEvent, sequence: number, error: unknown): void {
    if (ended) return;
    ended = true;
    options.failed(explain(event, error), event, sequence);
  }

  return {
    get sent() {
      return sent;
    },
    get confirmed() {
      return confirmed;
    },
    publish(event) {
      if (ended) return false;
      const sequence = ++sent;
      characters += event.json.length;
      send(event, sequence).then(
        () => store(event, sequence),
        error => fail(event, sequence, error),
      );
      full = sent - confirmed >= MOST_MESSAGES || characters >= MOST_CHARACTERS;
      return !full;
    },
    end() {
      ended = true;
    },
  };
}

// A character has three bytes at most, or two have four.
function isLargerThan(text: string, bytes: number): boolean {
  return text.length * 3 > bytes && Buffer.byteLength(text) > bytes;
}

const TOO_LARGE = 10054; // larger than the stream's own limit

function explain({ position }: FeedEvent, error: unknown): unknown {
  const isTooLarge =
    error instanceof errors.InvalidArgumentError ||
    (error instanceof JetStreamApiError && error.code === TOO_LARGE);
  if (!isTooLarge) return error;
  return new NeedsOperator(
    `NATS takes not even what is told of position ${position} without its data: raise its max_payload, or the stream's max_msg_size`,
  );
}
