// Whether the database is there, as its queries tell: said once per change, however many requests meet it.
import type { Logger } from '../logger.ts';
import { createOutage } from '../outage.ts';

export interface Availability {
  /** A query was answered. */
  here(): void;
  /** One could not even be asked, and why. */
  away(reason: unknown): void;
  /** A write was refused because the database takes none now, and why. */
  refusedWrite(reason: unknown): void;
  /** A write was taken. */
  tookWrite(): void;
  /** Whether the last write that is known of was refused. */
  readonly refusesWrites: boolean;
}

/** Takes the database for present until a query misses it. */
export function createAvailability(logger: Logger): Availability {
  const absence = createOutage(logger, { begun: 'the database is away', ended: 'the database is back' });
  const refusal = createOutage(logger, {
    begun: 'the database takes no changes',
    ended: 'the database takes changes again',
    level: 'error',
  });
  return {
    get refusesWrites() {
      return refusal.ongoing;
    },
    refusedWrite: refusal.begin,
    tookWrite: refusal.end,
    here: absence.end,
    away: absence.begin,
  };
}
