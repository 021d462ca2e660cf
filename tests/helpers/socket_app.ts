// The WebSocket side over a log that nothing is in: for what is about sockets and not about what they tell.
import type { Server } from 'node:http';
import { createSocketApp } from '../../src/delivery/app.ts';
import { createPlaces, type Places } from '../../src/delivery/places.ts';
import { createSessions } from '../../src/delivery/sessions.ts';
import { handUpgradesTo } from '../../src/delivery/upgrade.ts';
import { createHub, type Hub } from '../../src/feed/hub.ts';
import { createLogReader } from '../../src/feed/log_reader.ts';
import { answering } from '../../src/http/app.ts';
import type { Logger } from '../../src/logger.ts';
import { createAvailability } from '../../src/postgres/availability.ts';
import { OPEN_ACCESS } from '../../src/web/access.ts';
import { addressOf } from '../../src/web/client.ts';
import { createOrigins } from '../../src/web/origins.ts';
import { LOG_ID } from './rows.ts';

/** Serves /ws/tasks on a server; what is published in the hub is all there is. */
export function serveSockets(server: Server, logger: Logger, places?: Places): Hub {
  const feed = { ...emptyFeed(logger), ...(places && { places }) };
  const endpoints = { '/ws/tasks': { topic: 'tasks', access: ['tasks:read'], takes: ['after'] } } as const;
  const origins = createOrigins({ checksHost: false, allowed: [] });
  const around = answering({ logger, availability: createAvailability(logger), allowedOrigins: [] });
  const app = createSocketApp({ ...feed, access: OPEN_ACCESS, endpoints, origins, around });
  handUpgradesTo(app.callback(), server);
  return feed.hub;
}

/** A hub and a log that nothing is in. */
export function emptyFeed(logger: Logger) {
  const queries = {
    head: async () => ({ log: LOG_ID, head: 0, first: 1 }),
    range: async () => [],
    ofSubjects: async () => [],
    ofTypes: async () => [],
    compacted: async () => ({ rows: [], through: 0 }),
    topics: async () => [],
    snapshot: async () => [],
  };
  const log = createLogReader(queries, logger);
  const places = createPlaces({ clientOf: addressOf });
  return { hub: createHub(LOG_ID, 0), log, sessions: createSessions(logger), places, logger };
}
