// Whether the sequencer does its work, judged by what waits for it.
import { setTimeout as pause } from 'node:timers/promises';
import type { DatabasePool } from '../postgres/pool.ts';
import { type FeedState, readFeedState } from './log.ts';

/** From how many seconds on something is late. */
export const STUCK_AFTER = 5;
const SECOND_LOOK = 250; // ms

/**
 * Whether a committed change waits for its position that should have it. A change is as old as its statement, not as its
 * commit: what a long transaction has just committed looks old until the next batch. Only if there is none a moment later is it
 * not numbered.
 */
export async function isStuck(pool: DatabasePool, feed: FeedState): Promise<boolean> {
  if (!isLate(feed)) return false;
  await pause(SECOND_LOOK);
  const again = await readFeedState(pool);
  return again.batch === feed.batch && isLate(again);
}

function isLate({ waiting }: FeedState): boolean {
  return waiting !== null && waiting > STUCK_AFTER;
}
