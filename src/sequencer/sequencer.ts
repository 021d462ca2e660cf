// The gapless sequence: numbers what has committed. One sequencer in the whole cluster at a time, whichever instance holds the leader lock.
//
// The leader's session holds three things that must come and go together: the leader lock, the LISTEN on the
// doorbell, and, while writers are to ring, the doorbell lock. Lose the session and all are free for the next leader,
// so no wake-up NOTIFY can go to a leader that is not there.
//
// Resting, the leader holds the doorbell lock: every writer rings, and each ring is one look. A ring during a look
// means that writers come faster than looks, so it lets go of the lock: writers now pass in silence, and it looks
// again and again by itself. It may rest again only by getting the lock back, which fails while any transaction that
// passed in silence is open; once it has the lock it looks one last time. No wake-up is lost, and no clock decides.
import { z } from 'zod';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { createOutage } from '../outage.ts';
import { createStrangers } from '../postgres/strangers.ts';
import { within } from '../within.ts';
import { type Clean, createCleaner } from './cleaner.ts';
import { type LeaderSession, openLeaderSession } from './leader_session.ts';
import { createPartitions } from './partitions.ts';
import { createSequencingPass, type Pass, type PassOptions } from './pass.ts';
import { createWaiter } from './waiter.ts';
import { createWatchdog } from './watchdog.ts';

interface SequencerOptions extends PassOptions {
  /** A session-level address. */
  url: string;
  service: string;
  doorbell: string;
  /** Told that leadership was gained, of whatever log is there now, before the first batch. */
  leads(): void;
  /** Takes numbered rows out of staged. */
  clean: Clean;
  /** Told of every ring. */
  rang?(): void;
  logger: Logger;
}

/** The sequencer of an instance. */
export interface Sequencer extends Service {
  readonly leading: boolean;
  /** Who keeps every instance from numbering, if not one of the service's, as a sentence. */
  readonly obstacle: string | undefined;
  /** Who keeps it from resting. */
  readonly disturbance: string | undefined;
  /** The leader lock may be free: tries for it now and not within the second. */
  tryNow(): void;
}

const CANDIDATE_INTERVAL = 1_000; // ms between two tries for the leader lock
const REOPEN_AFTER = 500; // ms
const LIVENESS_INTERVAL = 3_000; // ms of silence after which a resting leader asks whether its session lives
const LONGEST_BACKOFF = 25; // ms between two passes while a writer's open transaction forbids to rest
const LONGEST_PAUSE = 250;
const RESTLESS_FOR = 1_000; // ms without rest, then it looks who holds the doorbell lock
const BREATH = 3; // ms between two looks that find something: smaller batches would only cost more
const ROW_COST = 0.05; // ms, an upper bound of what numbering one event takes
const STOP_WITHIN = 3_000; // ms, then the session is cut, and what is being cleaned left to itself

/** The sequencer of this instance. start() returns at once; leading or not, lost sessions are opened again. */
export function createSequencer(options: SequencerOptions): Sequencer {
  const { url, service, logger } = options;
  const waiter = createWaiter();
  const watchdog = createWatchdog(logger);
  const usurpers = createStrangers({ purpose: 'leader', lock: 'the lock of the sequencer', logger });
  const ringers = createStrangers({ purpose: 'doorbell', lock: 'the lock of the doorbell', logger });
  let cleaner = createCleaner(options.clean, logger);
  const cut = new AbortController();
  let running: Promise<void> | undefined;
  let leading = false;

  async function run(): Promise<void> {
    const outage = createOutage(logger, {
      begun: 'the sequencer has no session, and goes on trying for one',
      ended: 'the sequencer works again',
    });
    while (!waiter.ended) {
      try {
        const session = await openLeaderSession({ url, service }, cut.signal);
        await serve(session, outage.end).finally(() => session.close());
      } catch (error) {
        if (!waiter.ended) outage.begin(error);
      }
      await waiter.wait(REOPEN_AFTER);
    }
  }

  async function serve(session: LeaderSession, working: () => void): Promise<void> {
    const bell = hearBell(session, options, waiter.wake);
    session.client.once('end', () => {
      leading = false;
    });
    while (!(await session.take('leader'))) {
      working();
      if ((await usurpers.end(session)) || (await watchdog(session))) continue;
      await waiter.wait(CANDIDATE_INTERVAL);
      if (waiter.ended) return;
    }
    usurpers.gone();
    await session.ask(`LISTEN "${options.doorbell}"`);
    await takeUpLog(session, logger);
    options.leads();
    // The rows that were cleaned before may have been another log's: the address may have led elsewhere meanwhile.
    void cleaner.stop();
    cleaner = createCleaner(options.clean, logger);
    leading = true;
    working();
    logger.info('leading: this instance numbers the events');
    const look = createSequencingPass(session, options, cleaner, await createPartitions(session, logger));
    while (!waiter.ended) {
      await workUntilResting(session, look);
      await rest(session, bell, look);
      if (!waiter.ended) await session.releaseDoorbell();
    }
    leading = false;
    await session.resign();
  }

  // Returns holding the doorbell lock, with nothing left to number that will not be rung for.
  async function workUntilResting(session: LeaderSession, look: () => Promise<Pass>): Promise<void> {
    let asked = performance.now();
    for (let backoff = 1; !waiter.ended; ) {
      const { found, took } = await look();
      if (found === 0 && (await session.take('doorbell'))) {
        ringers.gone();
        await look();
        return;
      }
      if (found === 0 && performance.now() - asked > RESTLESS_FOR) {
        await ringers.end(session);
        asked = performance.now();
      }
      backoff = found > 0 ? BREATH : Math.min(backoff * 2, LONGEST_BACKOFF);
      // A look also scans what open transactions have staged, again and again. However much that is, four fifths of
      // the time go to others; what numbering itself takes is no reason to wait.
      const scanning = Math.max(0, took - found * ROW_COST);
      await waiter.wait(Math.max(backoff, Math.min(4 * scanning, LONGEST_PAUSE)));
    }
  }

  // One look per ring, for as long as no ring comes during a look.
  async function rest(session: LeaderSession, bell: Bell, look: () => Promise<Pass>): Promise<void> {
    while (!waiter.ended) {
      if (!bell.rung) await waiter.wait(LIVENESS_INTERVAL);
      if (bell.lost) throw new Error('the session ended');
      if (!bell.rung) {
        await session.ask('SELECT 1'); // not a look: that would hide a ring that got lost
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
    get obstacle() {
      return usurpers.present;
    },
    get disturbance() {
      return ringers.present;
    },
    tryNow() {
      if (!leading) waiter.wake();
    },
    async start() {
      running ??= run();
    },
    async stop() {
      waiter.end();
      const giveUp = setTimeout(() => cut.abort(), STOP_WITHIN);
      await running;
      clearTimeout(giveUp);
      await within(STOP_WITHIN, cleaner.stop());
    },
  };
}

const TakenUp = z.tuple([z.object({ log: z.string().nullable() })]);

async function takeUpLog(session: LeaderSession, logger: Logger): Promise<void> {
  const { rows } = await session.queryPatiently('SELECT feed.take_up_log() AS log');
  const [{ log }] = TakenUp.parse(rows);
  if (log !== null)
    logger.warn({ log }, 'the data has moved to another cluster: the log begins anew, its clients are reset');
}

// The doorbell as a session hears it.
interface Bell {
  /** Whether it has rung since this was last set to false. */
  rung: boolean;
  /** Whether the session has ended: it will not ring again. */
  lost: boolean;
}

function hearBell({ client }: LeaderSession, { doorbell, rang }: SequencerOptions, wake: () => void): Bell {
  const bell: Bell = { rung: false, lost: false };
  client.on('notification', ({ channel }) => {
    if (channel !== doorbell) return;
    bell.rung = true;
    rang?.();
    wake();
  });
  client.on('end', () => {
    bell.lost = true;
    wake();
  });
  return bell;
}
