// Whether the database is there, as its queries tell: said once per change, however many requests meet it.
import type { Logger } from '../logger.ts';

export interface Presence {
  /** A query was answered. */
  here(): void;
  /** One could not even be asked, and why. */
  away(reason: unknown): void;
}

/** Takes the database for present until somebody misses it. */
export function createPresence(logger: Logger): Presence {
  let isHere = true;
  return {
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
