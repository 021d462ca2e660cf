// Whether an instance can do its work: the schema is this code's, changes get their positions, and they arrive here.
import { setTimeout as pause } from 'node:timers/promises';
import type { Availability } from '../postgres/availability.ts';
import { isNotWritable, translateDatabaseError } from '../postgres/errors.ts';
import type { DatabasePool } from '../postgres/pool.ts';
import { compareSchemas, type ProgramSchema } from '../postgres/schema_version.ts';
import { type FeedState, readClosedTables, readFeedState, readSchema } from '../queries/log.ts';
import { tryWriting } from '../queries/writability.ts';

interface ReadinessOptions {
  pool: DatabasePool;
  schema: ProgramSchema;
  source: { readonly obstacle: string | undefined };
  relay: { readonly reading: boolean };
  hub: { readonly position: number };
  /** None on an edge, to which it is nothing whether changes are numbered, or could be made. */
  sequencer: { readonly obstacle: string | undefined } | undefined;
  /** Aborted when the instance is to stop. */
  stopping: AbortSignal;
  availability: Pick<Availability, 'refusesWrites'>;
  /** What else keeps the instance from its work. */
  obstacles(): readonly string[];
  /** What is wrong and keeps the instance from nothing that its clients ask of it. */
  warnings(): readonly string[];
}

const STUCK_AFTER = 5; // seconds
const SECOND_LOOK = 250; // ms

/** What is in the way, as sentences; asked for by a probe, never by a timer. */
export function createReadiness({
  pool,
  schema,
  source,
  relay,
  hub,
  sequencer,
  stopping,
  availability,
  obstacles,
  warnings,
}: ReadinessOptions) {
  return {
    database: async (): Promise<{ reasons: readonly string[]; warnings: readonly string[] }> => {
      const [found, feed, closed, refusesWrites] = await Promise.all([
        readSchema(pool),
        readFeedState(pool),
        readClosedTables(pool),
        sequencer ? whyNotWritable(pool, availability) : [],
      ]);
      const { behind, ahead } = compareSchemas(schema, found);
      const reasons = [
        ...refusesWrites,
        ...behind,
        ...closed,
        ...(sequencer && (await isStuck(pool, feed)) ? ['committed changes are not being numbered'] : []),
        ...(isBehind(feed, hub.position) ? ['the relay is behind the log'] : []),
      ];
      return { reasons, warnings: [...ahead, ...found.drift] };
    },
    parts: (): readonly string[] => [
      ...(stopping.aborted ? ['the instance is stopping'] : []),
      ...(source.obstacle === undefined ? [] : [source.obstacle]),
      ...(relay.reading ? [] : ['the relay cannot read the log']),
      ...(sequencer?.obstacle === undefined ? [] : [sequencer.obstacle]),
      ...obstacles(),
    ],
    warnings,
  };
}

// A write that was refused is tried again here: an instance that is not ready is sent no other.
async function whyNotWritable(
  pool: DatabasePool,
  { refusesWrites }: ReadinessOptions['availability'],
): Promise<readonly string[]> {
  if (!refusesWrites) return [];
  try {
    await tryWriting(pool);
    return [];
  } catch (error) {
    if (!isNotWritable(error)) throw error;
    return [translateDatabaseError(error)?.message ?? 'the database takes no changes'];
  }
}

// A change is as old as its statement, not as its commit: what a long transaction has just committed looks old until
// the next batch. Only if there is none a moment later is it not numbered.
async function isStuck(pool: DatabasePool, feed: FeedState): Promise<boolean> {
  if (!isLate(feed)) return false;
  await pause(SECOND_LOOK);
  const again = await readFeedState(pool);
  return again.batch === feed.batch && isLate(again);
}

function isLate({ waiting }: FeedState): boolean {
  return waiting !== null && waiting > STUCK_AFTER;
}

function isBehind({ head, batch_age }: FeedState, position: number): boolean {
  return head > position && batch_age > STUCK_AFTER;
}
