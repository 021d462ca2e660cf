// When a schedule of five cron fields, read in UTC, is due next.
import { parseCronItem } from 'graphile-worker';

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
// From one 29 February to the next it is eight years around a century's year that is no leap year.
const FARTHEST = 8 * 366; // days

/**
 * The first minute after `now` that the cron names; undefined for one that names no day of the calendar, such as 30
 * February. Throws for what is no cron. Days are searched first and the minutes of the day found only then: a rare day
 * costs some thousand steps, not millions of minutes.
 */
export function nextTime(cron: string, now: Date): Date | undefined {
  const [minute, hour, ...days] = cron.split(/\s+/);
  const isDay = matcherOf(`* * ${days.join(' ')}`);
  const isTime = matcherOf(`${minute} ${hour} * * *`);
  const after = now.getTime();
  const today = Math.floor(after / DAY) * DAY;
  for (let ahead = 0; ahead <= FARTHEST; ahead++) {
    const day = today + ahead * DAY;
    if (!isDay(day)) continue;
    for (let time = day; time < day + DAY; time += MINUTE)
      if (time > after && isTime(time)) return new Date(time);
  }
  return undefined;
}

// As graphile-worker reads a cron and its clock.
function matcherOf(cron: string): (time: number) => boolean {
  const { match } = parseCronItem({ task: 'check', match: cron });
  return time => {
    const at = new Date(time);
    return match({
      min: at.getUTCMinutes(),
      hour: at.getUTCHours(),
      date: at.getUTCDate(),
      month: at.getUTCMonth() + 1,
      dow: at.getUTCDay(),
    });
  };
}
