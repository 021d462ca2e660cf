// Fetches the bank's rates of past days, one file a day, and keeps them as the past.
import { setTimeout as pause } from 'node:timers/promises';
import type pg from 'pg';
import { importRates } from '../../queries/rates.ts';
import { SourceError } from '../fetch/source_error.ts';
import { BANK_OF_RUSSIA, fetchRates } from './bank_of_russia.ts';

interface BackfillOptions {
  client: pg.Client;
  url: string;
  /** YYYY-MM-DD, both included. */
  from: string;
  to: string;
  /** Milliseconds between two requests. */
  pace: number;
  /** How long to go on trying to reach the bank, in milliseconds. */
  retryFor: number;
  signal: AbortSignal;
  tell(line: string): void;
}

const DAY = 24 * 60 * 60_000; // ms
// The longest holidays, those of the new year, are eleven days without rates; what is further back is another file.
const MOST_DAYS_BEFORE = 15;

/** The days from one to another, both included. */
export function daysBetween(from: string, to: string): string[] {
  const count = Math.round((Date.parse(to) - Date.parse(from)) / DAY) + 1;
  return Array.from({ length: count }, (_, index) =>
    new Date(Date.parse(from) + index * DAY).toISOString().slice(0, 10),
  );
}

/** Each day's file is a transaction of its own. Throws a SourceError at the first that fails: those before it stay. */
export async function backfill({ from, to, pace, ...options }: BackfillOptions): Promise<void> {
  for (const day of daysBetween(from, to)) {
    if (day !== from) await pause(pace, undefined, { signal: options.signal });
    await bring(day, options);
  }
}

async function bring(
  day: string,
  { client, url, retryFor, signal, tell }: Omit<BackfillOptions, 'from' | 'to' | 'pace'>,
): Promise<void> {
  const rates = await fetchRates({ url, day }, { retryFor, signal });
  refuseOther(day, rates.day);
  const outcome = await importRates(client, { source: BANK_OF_RUSSIA, rates, mayCreate: false });
  if ('refused' in outcome) throw new SourceError(`${day}: ${outcome.refused}`);
  const { kept, updated } = outcome.written;
  const without = rates.leftOut.length > 0 ? `; left out, having no code: ${rates.leftOut.join(', ')}` : '';
  tell(
    `${day}: rates of ${rates.day}, ${rates.entries.length} currencies, ${kept} kept, ${updated} updated${without}`,
  );
}

// On a day without rates the bank answers with the last before it, and they are kept under their own day.
function refuseOther(asked: string, given: string): void {
  const before = (Date.parse(asked) - Date.parse(given)) / DAY;
  if (before >= 0 && before <= MOST_DAYS_BEFORE) return;
  const how =
    before < 0 ? 'a later day' : `${before} days before: more than ${MOST_DAYS_BEFORE} are no holidays`;
  throw new SourceError(`asked for the rates of ${asked}, the bank gave those of ${given}, ${how}`);
}
