// Whether an instance can do its work: the schema is this code's, changes get their positions, and they arrive here.
import type { Availability } from '../postgres/availability.ts';
import { isNotWritable, translateDatabaseError } from '../postgres/errors.ts';
import type { DatabasePool } from '../postgres/pool.ts';
import { compareSchemas, type ProgramSchema } from '../postgres/schema_version.ts';
import { type FeedState, readClosedTables, readFeedState, readSchema } from '../queries/log.ts';
import { isStuck, STUCK_AFTER } from '../queries/numbering.ts';
import { tryWriting } from '../queries/writability.ts';
import { type Finding, findings } from '../runbook.ts';

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
  obstacles(): readonly Finding[];
  /** What is wrong and keeps the instance from nothing that its clients ask of it. */
  warnings(): readonly Finding[];
}

/** What is in the way, in sentences; asked for by a probe, never by a timer. */
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
    database: async (): Promise<{ reasons: readonly Finding[]; warnings: readonly Finding[] }> => {
      const [found, feed, closed, refusesWrites] = await Promise.all([
        readSchema(pool),
        readFeedState(pool),
        readClosedTables(pool),
        sequencer ? whyNotWritable(pool, availability) : [],
      ]);
      const { behind, ahead } = compareSchemas(schema, found);
      const isUnnumbered = sequencer !== undefined && (await isStuck(pool, feed));
      const reasons = [
        ...findings('the-database-takes-no-changes', refusesWrites),
        ...findings('the-schema-is-older-than-the-program', behind),
        ...findings('row-security-hides-a-table', closed),
        ...findings(
          'changes-are-not-numbered',
          isUnnumbered ? ['committed changes are not being numbered'] : [],
        ),
        ...findings(
          'the-relay-is-behind',
          isBehind(feed, hub.position) ? ['the relay is behind the log'] : [],
        ),
      ];
      const warnings = [
        ...findings('the-schema-is-newer-than-the-program', ahead),
        ...findings('rights-or-triggers-are-not-as-they-should-be', found.drift),
      ];
      return { reasons, warnings };
    },
    parts: (): readonly Finding[] => [
      ...findings('the-instance-is-stopping', stopping.aborted ? ['the instance is stopping'] : []),
      ...findings('the-relay-is-behind', [
        source.obstacle,
        relay.reading ? undefined : 'the relay cannot read the log',
      ]),
      ...findings('a-stranger-holds-a-lock', [sequencer?.obstacle]),
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

function isBehind({ head, batch_age }: FeedState, position: number): boolean {
  return head > position && batch_age > STUCK_AFTER;
}
