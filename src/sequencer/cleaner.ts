// Housekeeping for the leader, beside its work: takes numbered rows out of staged, on the pool, one piece at a time.
import type { Logger } from '../logger.ts';

export interface Cleaner {
  /** Positions up to this one have been given. */
  numbered(position: number): void;
  /** Resolves when the piece at hand is done; no other is begun. */
  stop(): Promise<void>;
}

const CLEAN_AFTER = 5_000; // numbered rows

/** `clean` takes a piece from a lower bound on; answers where to go on, or null when nothing was left. */
export function createCleaner(
  clean: (lowerBound: string) => Promise<string | null>,
  logger: Logger,
): Cleaner {
  let cleaned = 0;
  let lowerBound = '0';
  let stopped = false;
  let working: Promise<void> | undefined;

  async function work(): Promise<void> {
    try {
      while (!stopped) {
        const next = await clean(lowerBound);
        if (next === null) return;
        lowerBound = next;
      }
    } catch (error) {
      logger.warn({ err: error }, 'numbered rows stay in staged until the next try');
    }
  }

  return {
    numbered(position) {
      if (working || stopped || position - cleaned < CLEAN_AFTER) return;
      cleaned = position;
      working = work().finally(() => {
        working = undefined;
      });
    },
    async stop() {
      stopped = true;
      await working;
    },
  };
}
