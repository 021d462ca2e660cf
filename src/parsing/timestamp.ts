// A moment in time as RFC 3339 text, from wherever it comes: REST, NATS, a source of tasks. It stays text on its way to the
// database: a Date would cut microseconds off. So there is one rule for what is finer: the database's own, which rounds
// to the nearest microsecond.
import { z } from 'zod';

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(?:Z|[+-](\d\d):(\d\d))$/i;
const FIRST = Date.parse('0001-01-01T00:00:00Z');
const END = Date.parse('9999-12-31T23:59:59.999Z') + 1;

/**
 * A real moment of the years 0001 to 9999 in UTC, with an offset. Of a fraction with more than six digits, as .NET and Go
 * write it, the database keeps the nearest microsecond.
 */
export const timestamp = z
  .string({ error: 'must be a time in RFC 3339' })
  .superRefine((text, context) => {
    const fault = faultOf(text);
    if (fault) context.addIssue({ code: 'custom', message: fault });
  })
  .meta({ format: 'date-time' });

/** A time as the service writes it: in UTC, with six digits of fraction. */
export const time = z.string().meta({ format: 'date-time' });

/** The present, as the service writes a time. What is finer than the clock's milliseconds is zero. */
export function now(): string {
  return new Date().toISOString().replace('Z', '000Z');
}

function faultOf(text: string): string | undefined {
  const match = RFC_3339.exec(text);
  if (!match)
    return 'must be a time in RFC 3339 with an offset and at most nine digits of fraction, such as 2026-11-23T05:38:12.345678Z';
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [offsetHour, offsetMinute] = [Number(match[8] ?? 0), Number(match[9] ?? 0)];
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return 'must be a day of the calendar';
  if (hour > 23 || minute > 59 || second > 59) return 'must be a time of the day, 00:00:00 to 23:59:59';
  // PostgreSQL takes no larger offset; the largest in use is +14:00.
  if (offsetHour > 15 || offsetMinute > 59) return 'must have an offset within ±15:59';
  const time = Date.parse(text.toUpperCase());
  return time >= FIRST && time < END ? undefined : 'must be in the years 0001 to 9999';
}

// The calendar repeats every 400 years, and Date.UTC takes years below 100 for those of the twentieth century.
function daysIn(year: number, month: number): number {
  return new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
}
