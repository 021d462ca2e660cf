// Asks feed.prove() for the whole log, a piece at a time: no snapshot is kept for longer than a piece takes, since each one
// pins vacuum for the whole database.
import type pg from 'pg';
import { z } from 'zod';

/** How much of the log was looked at, and how much speaks against it. */
interface Proof {
  events: number;
  batches: number;
  faults: number;
}

interface ProofOptions {
  session: pg.Client;
  /** How many positions a piece has. */
  step: number;
  /** Told of each piece. */
  tell(piece: { through: number; head: number; faults: readonly string[] }): void;
}

const Count = z.coerce.number();
const Begin = z.tuple([z.object({ first: Count, head: Count })]);
const Row = z.object({ through: Count, events: Count, batches: Count, fault: z.string().nullable() });
const Rows = z.tuple([Row], Row); // one at least: it carries the figures

const BEGIN = `
  SELECT
    coalesce((SELECT min(position) FROM feed.events), 1) AS first,
    coalesce((SELECT max(last_position) FROM feed.event_batches), 0) AS head`;

// The last piece goes to the head as its own snapshot has it: only there feed.prove() looks for what was passed over.
const PROVE = `
  SELECT
    piece.through,
    (SELECT count(*) FROM feed.events WHERE position > $1 AND position <= piece.through) AS events,
    (SELECT count(*) FROM feed.event_batches WHERE last_position > $1 AND last_position <= piece.through) AS batches,
    CASE WHEN f.position IS NULL THEN f.fault ELSE format('position %s: %s', f.position, f.fault) END AS fault
  FROM (
    SELECT CASE WHEN $2 THEN coalesce(max(last_position), 0) ELSE $1 + $3::bigint END AS through FROM feed.event_batches
  ) AS piece
  LEFT JOIN LATERAL feed.prove($1::bigint, piece.through) AS f ON true
  ORDER BY f.position NULLS LAST`;

/** Proves the log up to the head that it reads first, and what has come by the time it gets there. */
export async function proveLog({ session, step, tell }: ProofOptions): Promise<Proof> {
  const { rows } = await session.query(BEGIN);
  const [{ first, head }] = Begin.parse(rows);
  const proof: Proof = { events: 0, batches: 0, faults: 0 };
  for (let after = first - 1, isLast = false; !isLast; ) {
    isLast = after + step >= head;
    const answer = await session.query(PROVE, [after, isLast, step]);
    const piece = Rows.parse(answer.rows);
    const faults = piece.flatMap(({ fault }) => fault ?? []);
    const [{ through, events, batches }] = piece;
    proof.events += events;
    proof.batches += batches;
    proof.faults += faults.length;
    tell({ through, head: Math.max(head, through), faults });
    after = through;
  }
  return proof;
}
