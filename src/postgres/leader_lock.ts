// Work that one instance at a time does: whichever holds the advisory lock of that purpose, on a session of its own.
import { setTimeout as pause } from 'node:timers/promises';
import type { Exclusive } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { createOutage } from '../outage.ts';
import { type LockSession, openLockSession } from './lock_session.ts';
import { createStrangers, type Strangers } from './strangers.ts';

const CANDIDATE_INTERVAL = 1_000; // ms between two tries for the lock
const LIVENESS_INTERVAL = 3_000; // ms after which the holder asks whether its session lives

/** `purpose` names the lock, see sql/shared/lock_key.sql, and the session in pg_stat_activity. */
export function createExclusive(options: {
  /** A session-level address. */
  url: string;
  service: string;
  purpose: string;
  logger: Logger;
}): Exclusive {
  const { url, service, purpose, logger } = options;
  const strangers = createStrangers({ purpose, lock: `the lock of ${purpose}`, logger });
  return async (work, until) => {
    const outage = createOutage(logger, {
      begun: 'a candidate has no session, and goes on trying for one',
      ended: 'candidates have a session again',
      fields: { purpose },
    });
    while (!until.aborted) {
      try {
        const session = await openLockSession({ url, service, name: purpose }, until);
        outage.end();
        await takePart(session, { purpose, strangers, work }, until).finally(session.close);
      } catch (error) {
        if (!until.aborted) outage.begin(error);
      }
      await wait(CANDIDATE_INTERVAL, until);
    }
  };
}

interface Part {
  purpose: string;
  strangers: Strangers;
  work(held: AbortSignal): Promise<void>;
}

async function takePart(
  session: LockSession,
  { purpose, strangers, work }: Part,
  until: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  session.client.once('end', () => ended.abort());
  const held = AbortSignal.any([ended.signal, until]);
  while (!(await session.take(purpose))) {
    if (await strangers.end(session)) continue;
    await wait(CANDIDATE_INTERVAL, held);
    if (held.aborted) return;
  }
  strangers.gone();
  const done = new AbortController();
  const working = work(held).finally(() => done.abort());
  await Promise.all([working, stayAlive(session, AbortSignal.any([held, done.signal]))]);
}

// A session that has silently died is found out by the missing answer, which ends it.
async function stayAlive(session: LockSession, until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    await session.ask('SELECT 1').catch(() => {}); // its 'end' says all
    await wait(LIVENESS_INTERVAL, until);
  }
}

const wait = (milliseconds: number, until: AbortSignal) =>
  pause(milliseconds, undefined, { signal: until }).catch(() => {});
