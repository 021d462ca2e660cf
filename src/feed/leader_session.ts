// The session of a sequencer, leading or a candidate: its settings, its locks, and what is asked on it in what time.
import type pg from 'pg';
import { z } from 'zod';
import {
  askWithin,
  closeSession,
  cutSession,
  openSession,
  refuseStandby,
  type SessionOptions,
} from '../database/session.ts';

export interface LeaderSession {
  readonly client: pg.Client;
  /** Its backend's pid. */
  readonly backend: number;
  /** Takes one of the service's locks if it is free. */
  take(lock: 'leader' | 'doorbell'): Promise<boolean>;
  /** Lets the doorbell lock go: writers pass in silence. */
  letPass(): Promise<void>;
  /** Asks what is answered in no time, or the session is as good as lost, and ended. */
  ask(text: string, values?: unknown[]): Promise<pg.QueryResult>;
  /** Asks what may take as long as it takes: as long as the server works on it. */
  askPatiently(query: string | pg.QueryConfig): Promise<pg.QueryResult>;
  /** Gives leadership up and tells the candidates, who would try only once a second. */
  resign(): Promise<void>;
  close(): Promise<void>;
}

const SHORT_QUERY = 5_000; // ms

// Positions that clients have seen must outlive a crash. A leader whose host has vanished loses its locks within 25 s:
// the server asks for a sign of life, and waits no longer for what it sent to be taken. One that is alive but stuck, a
// stopped process say, is ended by the other candidates, and where there is nothing to number within 10 s: it asks
// nothing any more. Work under way in the server is never cut short, however long it takes:
// a batch whose leader is gone is still a batch.
const SETTINGS = `
  SET default_transaction_isolation = 'read committed';
  SET synchronous_commit = on;
  SET tcp_keepalives_idle = 10;
  SET tcp_keepalives_interval = 5;
  SET tcp_keepalives_count = 3;
  SET tcp_user_timeout = '25s';
  SET client_connection_check_interval = 0;
  SET idle_session_timeout = '10s'`;

/** Opens it; `cut` ends it at once. Throws where there is no primary to work on. */
export async function openLeaderSession(database: Database, cut: AbortSignal): Promise<LeaderSession> {
  const client = await openSession({ ...database, name: 'sequencer' }, cut);
  const ask = (text: string, values: unknown[] = []) => askWithin(client, SHORT_QUERY, { text, values });
  try {
    await refuseStandby(client);
    await ask(SETTINGS);
    const { rows } = await ask('SELECT pg_backend_pid() AS backend');
    const [{ backend }] = z.tuple([z.object({ backend: z.number() })]).parse(rows);
    return {
      client,
      backend,
      ask,
      take: async lock => {
        const { rows } = await ask('SELECT pg_try_advisory_lock(feed.lock_key($1)) AS taken', [lock]);
        return z.tuple([z.object({ taken: z.boolean() })]).parse(rows)[0].taken;
      },
      letPass: async () => {
        await ask(`SELECT pg_advisory_unlock(feed.lock_key('doorbell'))`);
      },
      askPatiently: query => whileWorking(client, { ...database, backend }, client.query(query)),
      resign: () => resign(client),
      close: () => closeSession(client),
    };
  } catch (error) {
    await closeSession(client);
    throw error;
  }
}

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
    if (idle === 2) cutSession(client);
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
    const { rows } = await askWithin(client, SHORT_QUERY, query);
    return z.tuple([z.object({ working: z.boolean().nullable() })]).parse(rows)[0].working ?? true;
  } catch {
    return false;
  } finally {
    await closeSession(client);
  }
}

async function resign(client: pg.Client): Promise<void> {
  const vacant = JSON.stringify({ vacant: true });
  await askWithin(client, SHORT_QUERY, {
    text: `SELECT pg_advisory_unlock_all(), pg_notify(feed.channel('events'), $1)`,
    values: [vacant],
  });
}
