// What the doctor says of one thing that it looked at.
import type { Section } from '../runbook.ts';

/** `ok`; `note`: worth knowing, nothing has to be done now; `wrong`: an operator has to do something. */
type Grade = 'ok' | 'note' | 'wrong';

export interface Remark {
  /** What was looked at, in a word or two. */
  subject: string;
  grade: Grade;
  text: string;
  /** What to do, and where it says more; of all that is not ok. */
  advice?: string;
  section?: Section;
}

/** What to do about something, and where it says more. */
interface Advice {
  advice: string;
  section: Section;
}

/** All is well. */
export const fine = (subject: string, text: string): Remark => ({ subject, grade: 'ok', text });

/** Worth knowing. */
export const note = (subject: string, text: string, what: Advice): Remark => ({
  subject,
  grade: 'note',
  text,
  ...what,
});

/** An operator has to do something. */
export const wrong = (subject: string, text: string, what: Advice): Remark => ({
  subject,
  grade: 'wrong',
  text,
  ...what,
});

/** Which of two limits a value has passed. */
export function gradeOf(value: number, limits: { note: number; wrong: number }): Grade {
  if (value >= limits.wrong) return 'wrong';
  return value >= limits.note ? 'note' : 'ok';
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const;

/** Bytes, as PostgreSQL's pg_size_pretty counts them, for people. */
export function showBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** Seconds, for people. */
export function showSeconds(seconds: number): string {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`;
}

/** Such as "3 instances". */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}
