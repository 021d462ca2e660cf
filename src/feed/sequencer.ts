// Numbers what has committed: one sequencer in the whole cluster at a time, whichever instance holds the leader lock.
//
// The leader's session holds three things that must come and go together: the leader lock, the LISTEN on the
// doorbell, and, while writers are to ring, the doorbell lock. Lose the session and all are free for the next leader,
// so no ring can go to somebody who is not there.
//
// Resting, the leader holds the doorbell lock: every writer rings, and each ring is one look. A ring during a look
// means that writers come faster than looks, so it lets go of the lock: writers now pass in silence, and it looks
// again and again by itself. It may rest again only by getting the lock back, which fails while any transaction that
// passed in silence is open; once it has the lock it looks one last time. No wake-up is lost, and no clock decides.
import type pg from 'pg';
import { z } from 'zod';
import { closeSession, openSession } from '../database/session.ts';
import { LogRow } from '../events.ts';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';

/** Newly numbered events, in order, after position `before`. `last` may lie beyond them: the rest is in the log. */
export interface Batch {
  rows: LogRow[];
  before: number;
  last: number;
}

export interface SequencerOptions {
  /** A session-level address. */
  url: string;
  doorbell: string;
  /** Hears each batch as its statement returns; a short cut past NOTIFY for this instance's own relay. */
  numbered(batch: Batch): void;
  /** Takes numbered rows out of staged, from a lower bound; answers where to go on, or null when nothing was left. */
  clean(lowerBound: string): Promise<string | null>;
  /** Told of every look, with how many events it numbered and how many milliseconds it took, and of every ring. */
  looked?(found: number, took: number): void;
  rang?(): void;
  logger: Logger;
}

const HANDED_OVER = 500; // rows a look returns; what is more is read from the log
const CANDIDATE_INTERVAL = 1_000; // ms between two tries for the leader lock
const LIVENESS_INTERVAL = 3_000; // ms of silence after which a resting leader asks whether its session lives
const SHORT_QUERY = 5_000; // ms
const LONGEST_BACKOFF = 25; // ms between two looks while somebody's open transaction forbids to rest
const LONGEST_PAUSE = 250;
const BREATH = 3; // ms between two looks that find something: smaller batches would only cost more
const ROW_COST = 0.05; // ms, an upper bound of what numbering one event takes
const CLEAN_AFTER = 5_000; // numbered rows

// Positions that clients have seen must outlive a crash. A leader whose host has vanished loses its locks within 25 s:
// the server asks for a sign of life. One that is alive but stuck, a stopped process say, loses them within 10 s: it asks
// nothing any more. Work under way in the server is never cut short, however long it takes.
const SETTINGS = `
  SET default_transaction_isolation = 'read committed';
  SET synchronous_commit = on;
  SET tcp_keepalives_idle = 10;
  SET tcp_keepalives_interval = 5;
  SET tcp_keepalives_count = 3;
  SET idle_session_timeout = '10s'`;

const SequencedRow = LogRow.extend({ position: z.coerce.number(), last_position: z.coerce.number() });

/** The sequencer of this instance. start() returns at once; leading or not, lost sessions are opened again. */
export function createSequencer(options: SequencerOptions): Service & { readonly leading: boolean } {
  const { logger } = options;
  const waiter = createWaiter();
  let stopping = false;
  let running: Promise<void> | undefined;
  let leading = false;

  async function run(): Promise<void> {
    let away = false;
    while (!stopping) {
      try {
        const session = await openSession({ url: options.url, name: 'sequencer' });
        await serve(session, () => {
          if (away) logger.info('the sequencer works again');
          away = false;
        }).finally(() => closeSession(session));
      } catch (error) {
        if (!away && !stopping)
          logger.warn({ err: error }, 'the sequencer lost its session, and opens another');
        away = true;
      }
      leading = false;
      if (!stopping) await waiter.wait(500);
    }
  }

  async function serve(session: pg.Client, working: () => void): Promise<void> {
    await session.query(SETTINGS);
    const bell = hearBell(session, options, waiter.wake);
    while (!(await take(session, 'leader'))) {
      working();
      if (!stopping) await waiter.wait(CANDIDATE_INTERVAL);
      if (stopping) return;
    }
    await session.query(`LISTEN "${options.doorbell}"`);
    await takeUpLog(session, logger);
    leading = true;
    working();
    logger.info('leading: this instance numbers the events');
    const clean = createCleaner(options);
    const look = async () => {
      const started = performance.now();
      const batch = await sequence(session);
      if (batch) {
        options.numbered(batch);
        clean(batch.last);
      }
      const found = batch ? batch.last - batch.before : 0;
      const took = performance.now() - started;
      options.looked?.(found, took);
      return { found, took };
    };
    while (!stopping) {
      await workUntilResting(session, look);
      await rest(session, bell, look);
      await session.query(`SELECT pg_advisory_unlock(feed.lock_key('doorbell'))`);
    }
  }

  // Returns holding the doorbell lock, with nothing left to number that will not be rung for.
  async function workUntilResting(session: pg.Client, look: () => Promise<Look>): Promise<void> {
    for (let backoff = 1; !stopping; ) {
      const { found, took } = await look();
      if (found === 0 && (await take(session, 'doorbell'))) {
        await look();
        return;
      }
      backoff = found > 0 ? BREATH : Math.min(backoff * 2, LONGEST_BACKOFF);
      // A look also scans what open transactions have staged, again and again. However much that is, four fifths of
      // the time go to others; what numbering itself takes is no reason to wait.
      const scanning = Math.max(0, took - found * ROW_COST);
      await waiter.wait(Math.max(backoff, Math.min(4 * scanning, LONGEST_PAUSE)));
    }
  }

  // One look per ring, for as long as no ring comes during a look.
  async function rest(session: pg.Client, bell: Bell, look: () => Promise<Look>): Promise<void> {
    while (!stopping) {
      if (!bell.rung) await waiter.wait(LIVENESS_INTERVAL);
      if (bell.lost) throw new Error('the session ended');
      if (!bell.rung) {
        await query(session, 'SELECT 1'); // not a look: that would hide a ring that got lost
        continue;
      }
      bell.rung = false;
      await look();
      if (bell.rung) return;
    }
  }

  return {
    name: 'sequencer',
    get leading() {
      return leading;
    },
    async start() {
      running ??= run();
    },
    async stop() {
      stopping = true;
      waiter.wake();
      await running;
    },
  };
}

interface Look {
  /** How many events it numbered. */
  found: number;
  /** Milliseconds. */
  took: number;
}

// Short queries answer soon or the session is as good as lost; numbering takes as long as it takes.
async function query(session: pg.Client, text: string, values: string[] = []): Promise<unknown[]> {
  const config: pg.QueryConfig & { query_timeout: number } = { text, values, query_timeout: SHORT_QUERY };
  return (await session.query(config)).rows;
}

async function takeUpLog(session: pg.Client, logger: Logger): Promise<void> {
  const { rows } = await session.query('SELECT feed.take_up_log() AS log');
  const [{ log }] = z.tuple([z.object({ log: z.string().nullable() })]).parse(rows);
  if (log !== null)
    logger.warn({ log }, 'the data has moved to another cluster: the log begins anew, its clients are reset');
}

async function take(session: pg.Client, lock: 'leader' | 'doorbell'): Promise<boolean> {
  const rows = await query(session, 'SELECT pg_try_advisory_lock(feed.lock_key($1)) AS taken', [lock]);
  return z.tuple([z.object({ taken: z.boolean() })]).parse(rows)[0].taken;
}

async function sequence(session: pg.Client): Promise<Batch | undefined> {
  const { rows } = await session.query({
    name: 'sequence_events',
    text: 'SELECT * FROM feed.sequence_events($1)',
    values: [HANDED_OVER],
  });
  if (rows.length === 0) return undefined;
  const numbered = rows.map(row => SequencedRow.parse(row));
  const { position, last_position: last } = numbered[0] as (typeof numbered)[number];
  return { rows: numbered.map(({ last_position, ...row }) => row), before: position - 1, last };
}

// Housekeeping for the leader, beside its work: on the pool, one piece at a time.
function createCleaner({ clean, logger }: SequencerOptions): (position: number) => void {
  let cleaned = 0;
  let lowerBound = '0';
  let busy = false;
  const work = async () => {
    for (let next = await clean(lowerBound); next !== null; next = await clean(lowerBound)) lowerBound = next;
  };
  return position => {
    if (busy || position - cleaned < CLEAN_AFTER) return;
    cleaned = position;
    busy = true;
    work()
      .catch((error: unknown) =>
        logger.warn({ err: error }, 'numbered rows stay in staged until the next try'),
      )
      .finally(() => {
        busy = false;
      });
  };
}

// The doorbell as a session hears it.
interface Bell {
  /** Whether it has rung since this was last set to false. */
  rung: boolean;
  /** Whether the session has ended: it will not ring again. */
  lost: boolean;
}

function hearBell(session: pg.Client, { doorbell, rang }: SequencerOptions, wake: () => void): Bell {
  const bell: Bell = { rung: false, lost: false };
  session.on('notification', ({ channel }) => {
    if (channel !== doorbell) return;
    bell.rung = true;
    rang?.();
    wake();
  });
  session.on('end', () => {
    bell.lost = true;
    wake();
  });
  return bell;
}

// A wait that can be cut short. One waits at a time; whoever is woken looks for itself why.
function createWaiter(): { wait(milliseconds: number): Promise<void>; wake(): void } {
  let wake = () => {};
  return {
    wait: milliseconds =>
      new Promise(resolve => {
        const timer = setTimeout(resolve, milliseconds);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      }),
    wake: () => wake(),
  };
}
