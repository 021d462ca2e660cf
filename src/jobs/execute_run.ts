// Works on one attempt of a run, from claiming it to storing its end.

import type { Logger } from '../logger.ts';
import { claimRun, type RunResult, type RunSession } from '../queries/run_session.ts';
import type { RunKind } from './run_kind.ts';

export interface ExecuteOptions {
  url: string;
  service: string;
  id: string;
  attempt: number;
  kind: RunKind;
  /** Aborts when the instance stops. */
  stop: AbortSignal;
  logger: Logger;
}

/**
 * Runs an attempt, if it is there to be claimed. Ends with the run succeeded, failed, or queued again for another
 * instance; or, when the database is lost, as it is: the sweeper of whoever finds it sees that nobody holds its lock.
 */
export async function executeRun(options: ExecuteOptions): Promise<void> {
  const { url, service, id, attempt, stop } = options;
  if (stop.aborted) return;
  const session = await claimRun({ url, service, id, attempt });
  if (!session) return;
  try {
    await work(session, options);
  } finally {
    await session.end();
  }
}

async function work(
  session: RunSession,
  { id, attempt, kind, stop, logger: parent }: ExecuteOptions,
): Promise<void> {
  const logger = parent.child({ run: id, kind: kind.kind, attempt });
  const result = emptyResult();
  logger.info('the run started');
  try {
    const signal = AbortSignal.any([stop, session.lost]);
    await kind.perform({ client: session.client, result, signal, logger });
  } catch (error) {
    if (session.lost.aborted) throw error;
    if (stop.aborted) {
      await session.handBack();
      logger.info('the run was handed back: this instance is stopping');
      return;
    }
    logger.error({ err: error }, 'the run failed unexpectedly');
    result.error = 'an unexpected error; the log of the service knows more';
  }
  const finished = await session.finish(result);
  const { rejections, error, ...counts } = result;
  logger.info(
    { ...counts, ...(error !== null && { error }) },
    finished ? 'the run ended' : 'the run was taken over',
  );
}

function emptyResult(): RunResult {
  return { fetched: 0, created: 0, updated: 0, unchanged: 0, rejected: 0, rejections: [], error: null };
}
