// Whether the database is there, as its queries tell: said once per change, however many requests meet it.
import type { Logger } from '../logger.ts';

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

/** Takes the database for present until somebody misses it. */
export function createAvailability(logger: Logger): Availability {
  let isHere = true;
  let refusesWrites = false;
  return {
    get refusesWrites() {
      return refusesWrites;
    },
    refusedWrite(reason) {
      if (!refusesWrites) logger.error({ err: reason }, 'the database takes no changes');
      refusesWrites = true;
    },
    tookWrite() {
      if (refusesWrites) logger.info('the database takes changes again');
      refusesWrites = false;
    },
    here() {
      if (!isHere) logger.info('the database is back');
      isHere = true;
    },
    away(reason) {
      if (isHere) logger.warn({ err: reason }, 'the database is away');
      isHere = false;
    },
  };
}
