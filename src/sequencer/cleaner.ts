// Housekeeping for the leader, beside its work: takes numbered rows out of staged, on the pool, one piece at a time.
import type { Logger } from '../logger.ts';

export interface Cleaner {
  /** Positions up to this one have been given. */
  numbered(position: number): void;
  /** Resolves when the piece at hand is done; no other is begun. */
  stop(): Promise<void>;
}

/** A row of staged, by its key. */
export interface StagedRow {
  xid: string;
  id: string;
}

/** Takes a piece, from behind a row; answers behind which row to go on, or null when nothing was left. */
export type Clean = (after: StagedRow) => Promise<StagedRow | null>;

const CLEAN_AFTER = 5_000; // numbered rows

export function createCleaner(clean: Clean, logger: Logger): Cleaner {
  let last = 0; // position that was given
  let cleaned = 0;
  let after: StagedRow = { xid: '0', id: '0' };
  let stopped = false;
  let working: Promise<void> | undefined;

  // What is numbered while it works is looked at once more: after a bulk load there may be no other occasion for long.
  async function work(): Promise<void> {
    while (!stopped && last - cleaned >= CLEAN_AFTER) {
      cleaned = last;
      await cleanAll();
    }
  }

  async function cleanAll(): Promise<void> {
    for (let next = await clean(after); next !== null; next = await clean(after)) {
      after = next;
      if (stopped) return;
    }
  }

  return {
    numbered(position) {
      last = position;
      if (working || stopped || last - cleaned < CLEAN_AFTER) return;
      working = work()
        .catch((error: unknown) =>
          logger.warn({ err: error }, 'numbered rows stay in staged until the next try'),
        )
        .finally(() => {
          working = undefined;
        });
    },
    async stop() {
      stopped = true;
      await working;
    },
  };
}
