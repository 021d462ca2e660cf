// Where the bridge goes on: after the last event of the stream, if the log holds that very event. Positions go on when a
// log becomes another one, so the position alone says nothing: a log that was set back numbers other changes the same.
import type { FeedEvent } from '../events.ts';
import { EVERYTHING } from '../feed/filter.ts';
import type { Head, Log } from '../feed/log_reader.ts';
import { canResume } from '../feed/subscription.ts';
import { identityOf, type StreamedEvent, type Tail } from './event_stream.ts';
import { NeedsOperator } from './incident.ts';

export interface Start {
  head: Head;
  /** The position after which to publish. */
  after: number;
  /** Positions that neither the stream has nor the log any more. */
  missing: { from: number; through: number } | undefined;
}

/** The stream holds what the log lost, or never had. What the log keeps after `after` is to come into it again. */
export class LogSetBack extends NeedsOperator {
  override name = 'LogSetBack';
  readonly after: number;

  constructor(message: string, after: number) {
    super(message);
    this.after = after;
  }
}

/**
 * Compares the stream's end with the log, which is asked after the stream was. Throws LogSetBack where going on would
 * publish a position a second time with other content.
 */
export async function findStart({ last }: Tail, log: Log, stream: string): Promise<Start> {
  const head = await log.head();
  if (!last) return { head, after: head.first - 1, missing: undefined };
  const { position } = last;
  if (position > head.head) {
    throw refuse(stream, `its last position is ${position}, and the log's ${head.head}`, head.first - 1);
  }
  if (position >= head.first) {
    await compare(last, head, log, stream);
    return { head, after: position, missing: undefined };
  }
  // What was there cannot be looked up any more.
  if (canResume(head, { after: position, log: last.log }) === 'other_log') {
    throw refuse(
      stream,
      `its last position ${position} is of another log, and no longer kept in this one`,
      head.first - 1,
    );
  }
  const after = Math.max(position, head.first - 1);
  return { head, after, missing: after > position ? { from: position + 1, through: after } : undefined };
}

async function compare(
  { position, identity }: StreamedEvent,
  head: Head,
  log: Log,
  stream: string,
): Promise<void> {
  const request = { log: head.log, after: position - 1, goal: position, filter: EVERYTHING };
  const { events } = await log.page(request);
  const event = events.find(each => each.position === position);
  if (!event) throw new Error(`the log does not show its position ${position}`); // cut off meanwhile: asked again
  if (!isSame(event, identity))
    throw refuse(stream, `its position ${position} is another event than the log's`, head.first - 1);
}

const isSame = (event: FeedEvent, identity: StreamedEvent['identity']) =>
  JSON.stringify(identityOf(event.json)) === JSON.stringify(identity);

/**
 * Throws LogSetBack if the event that was refused has its position in the stream with other content: another log is published
 * from another log at the same time, as when a database was promoted and its predecessor lives on.
 */
export function refuseOther(event: FeedEvent, found: StreamedEvent | undefined, stream: string): void {
  const { position } = event;
  if (found?.position !== position || isSame(event, found.identity)) return;
  const why = `its position ${position} has come from another log, ${found.log}, meanwhile`;
  throw refuse(stream, why, position - 1);
}

function refuse(stream: string, why: string, after: number): LogSetBack {
  return new LogSetBack(
    `the log was set back, and the stream ${stream} holds events that it lost, or never had: ${why}. ` +
      'Purge or delete the stream, and it is filled from the log again',
    after,
  );
}
