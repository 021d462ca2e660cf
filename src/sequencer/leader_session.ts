// The session of a sequencer, leading or a candidate: its settings, its locks, and what is asked on it in what time.
import type pg from 'pg';
import { z } from 'zod';
import { type LockSession, openLockSession, SHORT_QUERY } from '../postgres/lock_session.ts';
import {
  closeSession,
  destroySession,
  openSession,
  queryWithTimeout,
  type SessionOptions,
} from '../postgres/session.ts';

/** It may hold the locks `leader` and `doorbell`. */
export interface LeaderSession extends LockSession {
  /** Lets the doorbell lock go: writers pass in silence. */
  releaseDoorbell(): Promise<void>;
  /** Asks what may take as long as it takes: as long as the server works on it. */
  queryPatiently(query: string | pg.QueryConfig): Promise<pg.QueryResult>;
  /** Gives leadership up and tells the candidates, who would try only once a second. */
  resign(): Promise<void>;
}

/** Opens it; `cut` ends it at once. Throws where there is no primary to work on. */
export async function openLeaderSession(database: Database, cut: AbortSignal): Promise<LeaderSession> {
  const session = await openLockSession({ ...database, name: 'sequencer' }, cut);
  const { client, backend } = session;
  return {
    ...session,
    releaseDoorbell: async () => {
      await session.ask(`SELECT pg_advisory_unlock(feed.lock_key('doorbell'))`);
    },
    queryPatiently: query => whileWorking(client, { ...database, backend }, client.query(query)),
    resign: () => resign(client),
  };
}

const Working = z.tuple([z.object({ working: z.boolean().nullable() })]);

type Database = Omit<SessionOptions, 'name'>;
type Backend = Database & { backend: number };

// Waits for an answer. A connection that has silently died would keep us waiting for ever: asked every few seconds over
// another one, the server twice in a row does not work on the statement, or cannot be asked.
async function whileWorking<Answer>(
  client: pg.Client,
  of: Backend,
  answer: Promise<Answer>,
): Promise<Answer> {
  const answered = new AbortController();
  let idle = 0;
  const look = async () => {
    idle = (await isWorking(of, answered.signal)) ? 0 : idle + 1;
    if (answered.signal.aborted) return;
    if (idle === 2) destroySession(client);
    else timer = setTimeout(look, SHORT_QUERY);
  };
  let timer = setTimeout(look, SHORT_QUERY);
  try {
    return await answer;
  } finally {
    clearTimeout(timer);
    answered.abort();
  }
}

async function isWorking({ backend, ...database }: Backend, cut: AbortSignal): Promise<boolean> {
  const client = await openSession({ ...database, name: 'sequencer' }, cut).catch(() => undefined);
  if (!client) return false; // why does not matter here: whatever it is, the sequencer will meet it
  try {
    const query = { text: 'SELECT feed.is_working($1) AS working', values: [backend] };
    const { rows } = await queryWithTimeout(client, SHORT_QUERY, query);
    return Working.parse(rows)[0].working ?? true;
  } catch {
    return false;
  } finally {
    await closeSession(client);
  }
}

async function resign(client: pg.Client): Promise<void> {
  const vacant = JSON.stringify({ vacant: true });
  await queryWithTimeout(client, SHORT_QUERY, {
    text: `SELECT pg_advisory_unlock_all(), pg_notify(feed.channel('events'), $1)`,
    values: [vacant],
  });
}
