// A hot standby, for what never changes: it may answer up to what it has replayed. What it has not, or cannot tell, the
// primary is asked for. How far it is counts in its own epoch of the log alone: a standby that is of another one, because the
// primary was set back or another server was promoted, is asked for nothing.
import type { Logger } from '../logger.ts';
import { createOutage } from '../outage.ts';
import { isAway } from '../postgres/errors.ts';
import type { DatabasePool } from '../postgres/pool.ts';
import { readHead } from '../queries/log.ts';
import { within } from '../within.ts';

export interface Standby {
  /** What `ask` finds on the standby, if that has this position of this log, or else what `otherwise` finds on the primary. */
  ask<Result>(
    at: { log: string; position: number },
    ask: (standby: DatabasePool) => Promise<Result>,
    otherwise: () => Promise<Result>,
  ): Promise<Result>;
  /** What is wrong with it, in sentences. */
  readonly warnings: readonly string[];
}

const ANSWER_WITHIN = 1_000; // ms
const AGAIN_AFTER = 5_000; // ms: one that does not answer is not asked at each page
const LAGS_AFTER = 5_000; // ms: a moment behind it always is
const FORGOTTEN_AFTER = 15_000; // ms without anybody asking

/** The standby behind a pool. */
export function createStandby(pool: DatabasePool, logger: Logger): Standby {
  const outage = createOutage(logger, {
    begun: 'the standby does not answer: the primary is asked instead',
    ended: 'the standby answers again',
  });
  let known = { log: '', head: -1 };
  let looking: Promise<void> | undefined;
  let awayUntil = Number.NEGATIVE_INFINITY;
  let behind: { since: number; until: number } | undefined;

  const isThere = ({ log, position }: { log: string; position: number }) =>
    known.log === log && known.head >= position;

  async function look(): Promise<void> {
    const found = await within(ANSWER_WITHIN, readHead(pool, { known: known.log || undefined }));
    if (!found) throw new Error('it did not answer in time');
    known = found;
    outage.end();
  }

  function fail(error: unknown): void {
    awayUntil = performance.now() + AGAIN_AFTER;
    outage.begin(error);
  }

  async function has(at: { log: string; position: number }): Promise<boolean> {
    if (performance.now() < awayUntil) return false;
    if (!isThere(at)) {
      looking ??= look()
        .catch(fail)
        .finally(() => {
          looking = undefined;
        });
      await looking;
    }
    const now = performance.now();
    if (now < awayUntil) return false;
    if (isThere(at)) behind = undefined;
    else behind = { since: behind?.since ?? now, until: now };
    return behind === undefined;
  }

  return {
    async ask(at, ask, otherwise) {
      if (!(await has(at))) return otherwise();
      try {
        return await ask(pool);
      } catch (error) {
        if (isAway(error)) fail(error);
        return otherwise(); // also what its replaying has cancelled; what is wrong with the question the primary tells
      }
    },
    get warnings() {
      const now = performance.now();
      if (outage.ongoing) return ['the standby does not answer: the primary is asked instead'];
      if (!behind || now - behind.until > FORGOTTEN_AFTER || behind.until - behind.since < LAGS_AFTER)
        return [];
      return [
        `the standby lags, or is of another log: it has position ${known.head}, and the primary is asked for what follows`,
      ];
    },
  };
}
