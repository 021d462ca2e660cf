// What subscriptions ask of the log, asked of a standby where it can tell. The head is always the primary's: a client is judged
// by nothing else.
import type { LogQueries } from '../feed/log_reader.ts';
import type { DatabasePool } from '../postgres/pool.ts';
import { readCompacted, readOfSubjects, readOfTypes, readRange, readSnapshotPage } from '../queries/log.ts';
import type { Standby } from './standby.ts';

/** The queries of `primary`, with a standby for what never changes. `reach` is how far the log is known to go, and in which epoch. */
export function askStandby(
  primary: LogQueries,
  standby: Standby,
  reach: () => { log: string; head: number },
): LogQueries {
  const upTo = <Result>(
    position: number,
    ask: (pool: DatabasePool) => Promise<Result>,
    otherwise: () => Promise<Result>,
  ) => standby.ask({ log: reach().log, position }, ask, otherwise);
  return {
    ...primary,
    // It may be asked for more than there is. What the database does not have, the primary's way finds in the archive.
    range: async (log, after, through) => {
      const position = Math.min(through, reach().head);
      const rows = await standby.ask(
        { log, position },
        pool => readRange(pool, log, after, through),
        async () => [],
      );
      return rows[0]?.position === after + 1 ? rows : primary.range(log, after, through);
    },
    ofSubjects: (subjects, range) =>
      upTo(
        range.through,
        pool => readOfSubjects(pool, subjects, range),
        () => primary.ofSubjects(subjects, range),
      ),
    ofTypes: (selection, range) =>
      upTo(
        range.through,
        pool => readOfTypes(pool, selection, range),
        () => primary.ofTypes(selection, range),
      ),
    compacted: (selection, range) =>
      upTo(
        range.through,
        pool => readCompacted(pool, selection, range),
        () => primary.compacted(selection, range),
      ),
    snapshot: request =>
      upTo(
        request.position,
        pool => readSnapshotPage(pool, request),
        () => primary.snapshot(request),
      ),
  };
}
