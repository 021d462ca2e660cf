// The event path on this side of the log: what an instance, or a terminal, needs to hear every event once and in order.

import type { Archive } from '../archive/archive.ts';
import { CutOff } from '../errors.ts';
import type { FeedEvent } from '../events.ts';
import { createHub, type Hub } from '../feed/hub.ts';
import { createLogReader, type Head, type Log, type LogQueries } from '../feed/log_reader.ts';
import type { Source, Told } from '../feed/source.ts';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { isBelowFloor } from '../postgres/errors.ts';
import type { DatabasePool } from '../postgres/pool.ts';
import {
  readArchivedFile,
  readChannels,
  readCompacted,
  readHead,
  readOfSubjects,
  readOfTypes,
  readRange,
  readSnapshotPage,
  readTopics,
} from '../queries/log.ts';
import { createListener } from './listener.ts';
import { createRelay, type Relay } from './relay.ts';
import type { Standby } from './standby.ts';
import { askStandby } from './standby_queries.ts';

/** Subscriptions are opened on its hub and log. start() hears, stop() is deaf again. */
export interface Receiver extends Service {
  readonly hub: Hub;
  readonly log: Log;
  readonly relay: Relay;
  readonly source: Source;
  /** The channel on which the sequencer's session is woken. */
  readonly doorbell: string;
}

/** A receiver that stands at the head of the log; `published` is told of each event once the subscribers have it. */
export async function createReceiver(options: {
  pool: DatabasePool;
  /** A session-level address, for LISTEN. */
  url: string;
  service: string;
  logger: Logger;
  published?: (event: FeedEvent) => void;
  /** No instance leads just now. */
  vacant?: () => void;
  /** Tokens may have changed: it was heard, or what was said before was not. */
  tokens?: () => void;
  /** Where what is no longer in the database is read from. */
  archive?: Archive | undefined;
  /** What is asked instead of the pool for what never changes. */
  standby?: Standby | undefined;
  /** Makes another source than LISTEN. */
  makeSource?: ((told: Told, hub: Hub) => Source) | undefined;
}): Promise<Receiver> {
  const { pool, url, service, logger, archive, tokens = () => {} } = options;
  const queries = {
    head: createHeadQuery(pool, archive !== undefined),
    range: createRangeQuery(pool, archive),
  };
  const [channels, head] = await Promise.all([readChannels(pool), queries.head()]);
  const hub = createHub(head.log, head.head, {
    published: options.published,
    restarted: () => log.forget(),
  });
  const relay = createRelay({ log: queries, hub, logger });
  let seen: { log: string; head: number } = head;
  const primary: LogQueries = {
    ...queries,
    // A client is judged by the log itself: if that has become another one, it is the first to see it.
    head: async () => {
      const found = await queries.head();
      seen = found;
      if (found.log !== hub.log) relay.catchUp();
      return found;
    },
    ofSubjects: (subjects, range) => readOfSubjects(pool, subjects, range),
    ofTypes: (selection, range) => readOfTypes(pool, selection, range),
    compacted: (selection, range) => readCompacted(pool, selection, range),
    topics: () => readTopics(pool),
    snapshot: request =>
      readSnapshotPage(pool, request).catch((error: unknown) => {
        throw isBelowFloor(error) ? new CutOff('its position is no longer kept', { cause: error }) : error;
      }),
  };
  const reach = () => ({ log: seen.log, head: Math.max(seen.head, hub.log === seen.log ? hub.position : 0) });
  const log = createLogReader(
    options.standby ? askStandby(primary, options.standby, reach) : primary,
    logger,
  );
  const told: Told = {
    heard: relay.hear,
    offered: relay.offer,
    missed: () => {
      relay.catchUp();
      tokens();
    },
  };
  const source =
    options.makeSource?.(told, hub) ??
    createListener({
      ...told,
      url,
      service,
      channel: channels.events,
      vacant: options.vacant ?? (() => {}),
      tokens,
      logger,
    });
  return {
    name: 'receiver',
    hub,
    log,
    relay,
    source,
    doorbell: channels.doorbell,
    async start() {
      await relay.start();
      await source.start();
    },
    async stop() {
      await source.stop();
      await relay.stop();
    },
  };
}

// What the database does not have is in a file of the archive, if anywhere: a partition that goes is archived before.
function createRangeQuery(pool: DatabasePool, archive: Archive | undefined): LogQueries['range'] {
  return async (log, after, through) => {
    const rows = await readRange(pool, log, after, through);
    if (!archive || rows[0]?.position === after + 1) return rows;
    const file = await readArchivedFile(pool, log, after + 1);
    if (file) return archive.read(file, after, through);
    return []; // the log is in another epoch by now, or cut off: its reader asks where it begins
  };
}

// The earlier epochs are asked for once in each epoch: there may be thousands.
function createHeadQuery(pool: DatabasePool, withArchive: boolean): () => Promise<Head> {
  let known: { log: string; ends: ReadonlyMap<string, number> } | undefined;
  return async () => {
    const { ends, ...head } = await readHead(pool, { known: known?.log, withArchive });
    if (ends) known = { log: head.log, ends };
    return { ...head, ends: ends ?? known?.ends ?? new Map() };
  };
}
