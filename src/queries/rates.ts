// Queries on what currencies were worth: writing a bank's file.
import type pg from 'pg';
import { z } from 'zod';
import { ask } from './run_session.ts';
import { type Written, write } from './write.ts';

/** A bank's rates of one day (YYYY-MM-DD); no currency stands twice. */
export interface DayOfRates {
  day: string;
  /** `value` is the price of `nominal` units, as a decimal. */
  entries: readonly { currency: string; name: string; nominal: number; value: string }[];
}

const Imported = z.strictObject({
  created: z.number(),
  updated: z.number(),
  unchanged: z.number(),
  kept: z.number(),
});
/** How many currencies were created, updated and left, and of how many the bank says of the day what it has not before. */
export type Imported = z.infer<typeof Imported>;

/**
 * Writes a day's rates in one transaction: all of them, or none if one breaks a rule. Of a currency that is not there
 * only the day is kept, unless it may be created.
 */
export function importRates(
  client: pg.Client,
  { source, rates: { day, entries }, mayCreate }: { source: string; rates: DayOfRates; mayCreate: boolean },
): Promise<Written<Imported>> {
  return write(async () => {
    const { rows } = await ask(client, 'SELECT * FROM public.import_rates($1, $2, $3, $4)', [
      source,
      day,
      JSON.stringify(entries),
      mayCreate,
    ]);
    return Imported.parse(rows[0]);
  });
}
