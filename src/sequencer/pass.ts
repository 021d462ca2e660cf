// The leader's look for what has committed: one statement that numbers it, and who is told.
import type pg from 'pg';
import { z } from 'zod';
import { type Batch, LogRow } from '../events.ts';
import { isOutOfPartitions } from '../postgres/errors.ts';
import type { Cleaner } from './cleaner.ts';
import type { LeaderSession } from './leader_session.ts';
import type { Partitions } from './partitions.ts';

const HANDED_OVER = 500; // rows a look returns; what is more is read from the log

const SequencedRow = LogRow.extend({ position: z.coerce.number(), last_position: z.coerce.number() });

// By their names: a later version may return more.
const SEQUENCE = `SELECT ${Object.keys(SequencedRow.shape)
  .map(name => `"${name}"`)
  .join(', ')} FROM feed.sequence_staged($1)`;

/** Who is told of a look. */
export interface PassOptions {
  /** Hears each batch as its statement returns; a short cut past NOTIFY for this instance's own relay. */
  numbered(batch: Batch): void;
  /** Told of every look, with how many events it numbered and how many milliseconds it took. */
  sequenced?(found: number, took: number): void;
}

/** What a look came to. */
export interface Pass {
  /** How many events it numbered. */
  found: number;
  /** Milliseconds that the statement took: how long others take over its events is no reason to look less often. */
  took: number;
}

/** Looks on the leader's session: each tells the relay, the cleaner, the partitions and the metrics of what it numbered. */
export function createSequencingPass(
  session: LeaderSession,
  { numbered, sequenced }: PassOptions,
  cleaner: Cleaner,
  partitions: Partitions,
): () => Promise<Pass> {
  const sequence = () =>
    session.queryPatiently({
      name: 'sequence_staged',
      text: SEQUENCE,
      values: [HANDED_OVER],
    });
  // What is staged while room is made may need more of it.
  async function sequenceInRoom(): Promise<pg.QueryResult> {
    for (;;) {
      try {
        return await sequence();
      } catch (error) {
        if (!isOutOfPartitions(error)) throw error;
        await partitions.makeRoom();
      }
    }
  }

  return async () => {
    const started = performance.now();
    const { rows } = await sequenceInRoom();
    const took = performance.now() - started;
    const batch = toBatch(rows);
    const found = batch ? batch.last - batch.before : 0;
    if (batch) {
      numbered(batch);
      cleaner.numbered(batch.last);
      await partitions.numbered(batch.last);
    }
    sequenced?.(found, took);
    return { found, took };
  };
}

function toBatch(rows: unknown[]): Batch | undefined {
  const numbered = rows.map(row => SequencedRow.parse(row));
  const [first] = numbered;
  if (!first) return undefined;
  const { position, last_position: last } = first;
  return { rows: numbered.map(({ last_position, ...row }) => row), before: position - 1, last };
}
