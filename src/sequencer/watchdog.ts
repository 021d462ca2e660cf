// How the other candidates get rid of a leader that is stuck: a stopped process, a network half dead. They look where
// they try for the leader lock anyway, and only read.
import pg from 'pg';
import { z } from 'zod';
import type { Logger } from '../logger.ts';
import { SQLSTATE } from '../postgres/sqlstate.ts';
import type { LeaderSession } from './leader_session.ts';

const STUCK_FOR = 2_000; // ms between the two looks that must see the same

const Found = z.tuple([
  z.object({
    leader: z.number().nullable(),
    batch: z.string().nullable(),
    ended: z.boolean().nullable(),
  }),
]);

/** A look at the leader; resolves true if it was stuck and is gone, so that its lock is free. */
type Watchdog = (session: LeaderSession) => Promise<boolean>;

/** See sql/sequence/end_stuck_leader.sql for what counts as stuck. */
export function createWatchdog(logger: Logger): Watchdog {
  let suspect: { leader: number; batch: string; since: number } | undefined;
  let mayEnd = true;

  async function look(session: LeaderSession): Promise<boolean> {
    const now = performance.now();
    const seen = suspect && now - suspect.since >= STUCK_FOR ? suspect : undefined;
    const values = [seen?.leader ?? null, seen?.batch ?? null];
    const { rows } = await session.ask('SELECT * FROM feed.end_stuck_leader($1, $2)', values);
    const [{ leader, batch, ended }] = Found.parse(rows);
    if (leader === null || batch === null) suspect = undefined;
    else if (leader !== suspect?.leader || batch !== suspect.batch) suspect = { leader, batch, since: now };
    if (ended) logger.warn({ backend: leader }, 'the leader was stuck: its session was ended');
    return ended === true;
  }

  return session =>
    look(session).catch((error: unknown) => {
      if (!(error instanceof pg.DatabaseError) || error.code !== SQLSTATE.insufficientPrivilege) throw error;
      if (mayEnd)
        logger.warn(
          { err: error },
          'the leader is stuck, and this role may not end it: its session times out',
        );
      mayEnd = false;
      return false;
    });
}
