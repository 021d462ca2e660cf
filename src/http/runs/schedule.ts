// When a schedule runs next.
import { parseCronItem } from 'graphile-worker';

const MINUTE = 60_000;
const FARTHEST = 5 * 366 * 24 * 60; // minutes: February 29th comes within

/** Tells the next minute, in UTC, that a schedule names; undefined for no schedule, or one that names none. */
export function createSchedule(cron: string | undefined): (now: Date) => Date | undefined {
  if (cron === undefined) return () => undefined;
  const { match } = parseCronItem({ task: 'check', match: cron });
  let next: Date | undefined;
  let looked = false;
  return now => {
    // Looking for a rare minute takes a while, and for none at all the longest: what was found is kept while it holds.
    if (!looked || (next !== undefined && next <= now)) next = find(match, now);
    looked = true;
    return next;
  };
}

function find(match: ReturnType<typeof parseCronItem>['match'], now: Date): Date | undefined {
  const minute = new Date(Math.floor(now.getTime() / MINUTE) * MINUTE);
  for (let ahead = 1; ahead <= FARTHEST; ahead++) {
    minute.setTime(minute.getTime() + MINUTE);
    if (match(digest(minute))) return minute;
  }
  return undefined;
}

// As graphile-worker reads its clock.
function digest(time: Date) {
  return {
    min: time.getUTCMinutes(),
    hour: time.getUTCHours(),
    date: time.getUTCDate(),
    month: time.getUTCMonth() + 1,
    dow: time.getUTCDay(),
  };
}
