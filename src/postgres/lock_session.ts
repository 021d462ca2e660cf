// A session that holds advisory locks of the service: its settings, and what is asked on it in what time. Lose the session
// and the locks are free for another one.
import type pg from 'pg';
import { z } from 'zod';
import {
  closeSession,
  openSession,
  queryWithTimeout,
  refuseStandby,
  type SessionOptions,
} from './session.ts';

export interface LockSession {
  readonly client: pg.Client;
  /** Its backend's pid. */
  readonly backend: number;
  /** Takes the lock of a purpose if it is free. */
  take(purpose: string): Promise<boolean>;
  /** Asks what is answered in no time, or the session is as good as lost, and ended. */
  ask(text: string, values?: unknown[]): Promise<pg.QueryResult>;
  close(): Promise<void>;
}

/** What an answer that comes in no time may take, in milliseconds. */
export const SHORT_QUERY = 5_000;

// Positions that clients have seen must outlive a crash. A holder whose host has vanished loses its locks within 25 s:
// the server asks for a sign of life, and waits no longer for what it sent to be taken. One that is alive but stuck, a
// stopped process say, is ended within 10 s: it asks nothing any more. Work under way in the server is never cut short,
// however long it takes: a batch whose leader is gone is still a batch.
const SETTINGS = {
  synchronous_commit: 'on',
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '25s',
  client_connection_check_interval: '0',
  idle_session_timeout: '10s',
};

// Made once: to make a schema takes far longer than to use it, and candidates try for the lock every second.
const Backend = z.tuple([z.object({ backend: z.number() })]);
const Taken = z.tuple([z.object({ taken: z.boolean() })]);

/** Opens it; `cut` ends it at once. Throws where there is no primary to work on. */
export async function openLockSession(options: SessionOptions, cut: AbortSignal): Promise<LockSession> {
  const client = await openSession({ ...options, settings: SETTINGS }, cut);
  const ask = (text: string, values: unknown[] = []) =>
    queryWithTimeout(client, SHORT_QUERY, { text, values });
  try {
    await refuseStandby(client);
    const { rows } = await ask('SELECT pg_backend_pid() AS backend');
    const [{ backend }] = Backend.parse(rows);
    return {
      client,
      backend,
      ask,
      take: async purpose => {
        const { rows } = await ask('SELECT pg_try_advisory_lock(feed.lock_key($1)) AS taken', [purpose]);
        return Taken.parse(rows)[0].taken;
      },
      close: () => closeSession(client),
    };
  } catch (error) {
    await closeSession(client);
    throw error;
  }
}
