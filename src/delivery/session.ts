// One client, from its first frame to its last: `ready`, the snapshot if it wants one, then every event that it wants.

import { CutOff } from '../errors.ts';
import type { Filter } from '../feed/filter.ts';
import type { Hub } from '../feed/hub.ts';
import type { Head, Log } from '../feed/log_reader.ts';
import { type SnapshotOutlet, sendSnapshot, Unreadable } from '../feed/snapshot.ts';
import { type ResetReason, type Subscription, subscribe } from '../feed/subscription.ts';
import type { Logger } from '../logger.ts';
import type { Channel } from './channel.ts';
import { CLOSE } from './frames.ts';

export interface Session {
  /** How many events were written to it. */
  readonly sent: number;
  /** Sends where the client may resume, and finds out whether it still answers. Called every interval. */
  tick(): void;
  /** Ends the session with a close code. */
  close(code: number, reason: string): void;
}

interface ClientSessionOptions {
  channel: Channel;
  hub: Hub;
  log: Log;
  /** Where the log stands, as the client was judged by. */
  head: Head;
  /** A position of that log, at or below its head. */
  after: number;
  filter: Filter;
  /** The topics that the client may be told of; undefined for all. */
  visible?: ReadonlySet<string> | undefined;
  /** The topics to send the state of first, as of the head. */
  snapshot: readonly string[];
  /** Called when all of it has been sent. */
  snapshotEnded?: (() => void) | undefined;
  /** How long a page of it may fail to be read, in ms, until the client is sent away. */
  patience?: number;
  logger: Logger;
}

/** Serves a client, and resets it when the log becomes another one. */
export function createSession(options: ClientSessionOptions): Session {
  const { channel, hub, log, head, filter, snapshot: topics, patience } = options;
  const ending = new AbortController();
  let subscription: Subscription | undefined;
  // While its snapshot is under way a client has nothing to resume from: it is told the beginning of the log.
  const before = { position: topics.length > 0 ? 0 : options.after, log: head.log };
  let drained = () => {};
  let sent = 0;

  const close = (code: number, reason: string) => {
    stop();
    channel.end(code, reason);
  };
  const reset = (reason: ResetReason) => {
    channel.control({ type: 'reset', reason });
    close(CLOSE.reset, reason);
  };
  function stop(): void {
    ending.abort();
    drained();
    subscription?.close();
  }

  function begin(): Promise<void> {
    const position = head.head;
    const outlet: SnapshotOutlet = {
      write: page => channel.control({ type: 'snapshot', ...page, position }),
      drained: () =>
        new Promise(resolve => {
          drained = resolve;
          if (ending.signal.aborted) resolve();
        }),
    };
    const { signal } = ending;
    return sendSnapshot({ log, topics, position, filter, outlet, signal, patience });
  }

  function follow(): void {
    if (ending.signal.aborted) return;
    const outlet = {
      write: (event: Parameters<Channel['event']>[0]) => {
        sent++;
        return channel.event(event);
      },
      // Before any event of the epoch: with the one before, its positions would be taken for lost ones.
      epochBegan: tellPosition,
      ended: reset,
    };
    subscription = subscribe({ hub, log, head, after: options.after, filter, outlet });
  }

  function tellPosition(): void {
    const { position, log } = subscription ?? before;
    channel.control({ type: 'position', position, log });
  }

  channel.onClose(stop);
  channel.onDrain(() => {
    drained();
    subscription?.resume();
  });
  const { visible } = options;
  const ready = { type: 'ready', head: head.head, log: head.log } as const;
  channel.control(visible ? { ...ready, topics: [...visible] } : ready);
  begin()
    .then(options.snapshotEnded)
    .then(follow)
    .catch((error: unknown) => {
      if (ending.signal.aborted) return;
      if (error instanceof CutOff) return reset('retention');
      const isUnreadable = error instanceof Unreadable; // of which the reader of the log has told
      if (!isUnreadable) options.logger.error({ err: error }, 'a client could not be served');
      close(
        CLOSE.tryAgainLater,
        isUnreadable ? `${error.message}; try again` : 'something went wrong; try again',
      );
    });

  return {
    get sent() {
      return sent;
    },
    tick() {
      // One that reads slowly gets neither: a probe would wait behind all that it has yet to read.
      if (!channel.open || !channel.drained) return;
      channel.probe();
      tellPosition();
    },
    close,
  };
}
