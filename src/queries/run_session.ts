// The session in which a run is worked on. It holds the run's advisory lock and makes every write of the run: when it
// is gone, so are the lock and the writes, and the session that takes the run over cannot meet its predecessor.
import type pg from 'pg';
import {
  closeSession,
  openSession,
  queryWithTimeout,
  type SessionOptions,
  takeRole,
} from '../postgres/session.ts';

/** What a run has come to, as it is stored. */
export interface RunResult {
  fetched: number;
  created: number;
  updated: number;
  unchanged: number;
  rejected: number;
  /** The first items that broke a rule. */
  rejections: { source: string; external_id: string | null; reason: string }[];
  /** Why the run failed; null if it succeeded. */
  error: string | null;
}

/** A claimed run. */
export interface RunSession {
  readonly client: pg.Client;
  /** Aborts when the session is lost, and with it the claim. */
  readonly lost: AbortSignal;
  /** Stores the result together with the end of the run; false if the run is no longer ours. */
  finish(result: RunResult): Promise<boolean>;
  /** Queues the run again, for another instance to take. */
  handBack(): Promise<void>;
  /** Lets the lock go. */
  end(): Promise<void>;
}

// An importer waits for a row no longer than this; a host that vanished frees its lock after 25 s.
const SETTINGS = {
  lock_timeout: '5s',
  statement_timeout: '30s',
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
};
const ANSWER_WITHIN = 40_000; // ms, longer than any statement may take

/** Claims an attempt of a run in a session of its own; undefined if it is not there to claim, or another session's. */
export async function claimRun(of: {
  url: string;
  service: string;
  id: string;
  attempt: number;
}): Promise<RunSession | undefined> {
  const { id, attempt, ...where } = of;
  const client = await openWriter({ ...where, name: 'run' });
  const lost = new AbortController();
  client.once('end', () => lost.abort(new Error('the session of the run was lost')));
  try {
    if (await claim(client, { id, attempt })) return toRunSession(client, lost.signal, { id, attempt });
    await closeSession(client);
    return undefined;
  } catch (error) {
    await closeSession(client);
    throw error;
  }
}

function toRunSession(
  client: pg.Client,
  lost: AbortSignal,
  { id, attempt }: { id: string; attempt: number },
): RunSession {
  return {
    client,
    lost,
    finish: result => finish(client, id, attempt, result),
    handBack: async () => {
      await ask(client, 'SELECT public.hand_back_run($1, $2)', [id, attempt]);
    },
    end: () => closeSession(client),
  };
}

/** A session that writes as the service's own jobs do: in their name, with their role and their limits. */
export async function openWriter(options: SessionOptions): Promise<pg.Client> {
  const client = await openSession({ ...options, settings: SETTINGS });
  try {
    await ask(client, `SELECT set_config('taskwire.origin', 'generator', false)`);
    await ask(client, takeRole(options.service));
    return client;
  } catch (error) {
    await closeSession(client);
    throw error;
  }
}

async function claim(client: pg.Client, { id, attempt }: { id: string; attempt: number }): Promise<boolean> {
  const lock = await ask(
    client,
    `SELECT FROM (SELECT pg_try_advisory_lock(feed.lock_key('run:' || $1::uuid)) AS locked) AS attempt WHERE locked`,
    [id],
  );
  if (lock.rowCount === 0) return false;
  const claimed = await ask(
    client,
    `UPDATE public.runs
     SET status = 'running', started_at = clock_timestamp()
     WHERE id = $1 AND attempt = $2 AND status = 'queued'`,
    [id, attempt],
  );
  return claimed.rowCount === 1;
}

async function finish(client: pg.Client, id: string, attempt: number, result: RunResult): Promise<boolean> {
  const { fetched, created, updated, unchanged, rejected, rejections, error } = result;
  const finished = await ask(
    client,
    `UPDATE public.runs
     SET status = $3, fetched = $4, created = $5, updated = $6, unchanged = $7, rejected = $8, rejections = $9,
       error = $10, finished_at = clock_timestamp()
     WHERE id = $1 AND attempt = $2 AND status = 'running'`,
    [
      ...[id, attempt, error === null ? 'succeeded' : 'failed'],
      ...[fetched, created, updated, unchanged, rejected, JSON.stringify(rejections), error],
    ],
  );
  return finished.rowCount === 1;
}

/** A query of the run's session. If no answer comes, the session is lost, and with it the claim. */
export function ask(client: pg.Client, text: string, values: unknown[] = []): Promise<pg.QueryResult> {
  return queryWithTimeout(client, ANSWER_WITHIN, { text, values });
}
