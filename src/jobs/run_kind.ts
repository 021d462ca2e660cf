// What a kind of background job is to the worker that runs it.
import type pg from 'pg';
import type { Logger } from '../logger.ts';
import type { RunResult } from '../queries/run_session.ts';

/**
 * How long a run goes on trying to reach its source, in milliseconds: less than the longest wait of a client that asks for
 * one, so that who waits hears of the failure.
 */
export const RETRY_FOR = 25_000;

/** What a run works with. */
export interface RunContext {
  /** The run's own session: all that the run writes goes through it. */
  client: pg.Client;
  /** Filled while it works; stored when it ends, however it ends. */
  result: RunResult;
  /** Aborts when the run must end now. */
  signal: AbortSignal;
  logger: Logger;
}

/** A source as anybody may see it: no credentials, and nothing of a query that could hold one. */
export interface SourceDescription {
  name: string;
  url: string | null;
}

/** A kind of run; its name is that of its jobs, too. `perform` says by the result's error that it failed, and throws for what should not happen. */
export interface RunKind {
  readonly kind: string;
  /** When it runs, in UTC; undefined for never by itself. */
  readonly cron: string | undefined;
  /** The next time at which it runs by itself; undefined for never. */
  nextRunAt(now: Date): Date | undefined;
  /** Whether the first start of all asks for a run. */
  readonly runsFirst: boolean;
  /** Where it reads from, as anybody may see it. */
  readonly sources: readonly SourceDescription[];
  perform(context: RunContext): Promise<void>;
}
