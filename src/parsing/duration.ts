// A length of time as operators write it: a number with s, m, h or d, such as 30d.

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** The longest that is taken, in seconds: a hundred years, which times of PostgreSQL reach. */
export const LONGEST_DURATION = 36_500 * 86_400;

/** How many seconds it is; undefined for a text that is none. */
export function secondsOf(text: string): number | undefined {
  const [, count, unit = ''] = /^([1-9]\d{0,9})([smhd])$/.exec(text) ?? [];
  return count === undefined ? undefined : Number(count) * (SECONDS[unit] ?? 0);
}
