// Works on one attempt of a run, from claiming it to storing its end.

import type { Logger } from '../logger.ts';
import { storableText } from '../parsing/storable_text.ts';
import { claimRun, type RunResult, type RunSession } from '../queries/run_session.ts';
import type { RunKind } from './run_kind.ts';

interface ExecuteOptions {
  url: string;
  service: string;
  id: string;
  attempt: number;
  kind: RunKind;
  /** Aborts when the instance stops. */
  stop: AbortSignal;
  logger: Logger;
}

const UNEXPECTED = 'an unexpected error; the log of the service knows more';
const MOST_CHARACTERS = { error: 2_000, reason: 1_000, external_id: 1_000 };

/**
 * Runs an attempt, if it is there to be claimed. Ends with the run succeeded, failed, or queued again for another
 * instance; or, when the database is lost, as it is: the sweeper that finds it sees that no session holds its lock.
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
    result.error = UNEXPECTED;
  }
  const stored = storable(result);
  tell(stored, await session.finish(stored), logger);
}

// A failure is told once: an unexpected one was, with its stack.
function tell({ rejections, error, ...counts }: RunResult, finished: boolean, logger: Logger): void {
  if (!finished) logger.info(counts, 'the run was taken over');
  else if (error === null) logger.info(counts, 'the run ended');
  else if (error !== UNEXPECTED) logger.warn({ ...counts, error }, 'the run failed');
}

// What it holds of a source's own words, from whichever adapter.
function storable({ error, rejections, ...counts }: RunResult): RunResult {
  return {
    ...counts,
    error: error === null ? null : storableText(error, MOST_CHARACTERS.error),
    rejections: rejections.map(({ source, external_id, reason }) => ({
      source,
      external_id: external_id === null ? null : storableText(external_id, MOST_CHARACTERS.external_id),
      reason: storableText(reason, MOST_CHARACTERS.reason),
    })),
  };
}

function emptyResult(): RunResult {
  return { fetched: 0, created: 0, updated: 0, unchanged: 0, rejected: 0, rejections: [], error: null };
}
