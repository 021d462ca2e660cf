// Looks every few seconds whether a run is dead or forgotten, or a job unheard. Every instance does; the database sees
// to it that each finding is acted upon once.
import { setTimeout as pause } from 'node:timers/promises';
import type { Service } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import { createOutage } from '../outage.ts';
import type { DatabasePool } from '../postgres/pool.ts';
import { type Finding, sweepRuns } from '../queries/runs.ts';

interface SweeperOptions {
  pool: DatabasePool;
  /** Milliseconds from one look to the next. */
  every: number;
  /** Called when jobs wait that a worker should have heard of. */
  waiting(): void;
  logger: Logger;
}

/** Builds the sweeper; it looks from start() to stop(). */
export function createSweeper({ pool, every, waiting, logger }: SweeperOptions): Service {
  const stopping = new AbortController();
  let sweeping: Promise<void> | undefined;
  // Once for each time that the database goes away, not once every two seconds.
  const outage = createOutage(logger, {
    begun: 'the runs could not be looked after',
    ended: 'the runs are looked after again',
  });
  let told: readonly Finding[] = [];

  async function sweep(): Promise<void> {
    while (!stopping.signal.aborted) {
      await look();
      await pause(every, undefined, { signal: stopping.signal }).catch(() => {});
    }
  }

  async function look(): Promise<void> {
    try {
      const findings = await sweepRuns(pool);
      for (const found of findings) act(found);
      told = findings;
      outage.end();
    } catch (error) {
      outage.begin(error);
    }
  }

  function act({ run_id, finding }: Finding): void {
    if (run_id === null) waiting();
    // What cannot be mended is found again at each look, and said once.
    else if (!told.some(old => old.run_id === run_id && old.finding === finding))
      logger.warn({ run: run_id, finding }, 'nobody worked on a run');
  }

  return {
    name: 'sweeper',
    async start() {
      sweeping = sweep();
    },
    async stop() {
      stopping.abort();
      await sweeping;
    },
  };
}
