// Says who writes, inside of the writing statement: no round trip of its own, and nothing left behind on the connection.
import { sql } from 'slonik';

/** Whom an event names as its origin when it was not a person's psql. */
export type Origin = 'rest' | 'generator' | 'nats';

/**
 * A CTE `context` of one row; sql/capture/stage.sql reads what it sets. It is evaluated only where it is read:
 * the statement must take its rows FROM context (INSERT … SELECT, UPDATE) or be USING it (DELETE).
 */
export function writtenBy(origin: Origin, requestId: string | null) {
  return sql.fragment`
    context AS MATERIALIZED (
      SELECT set_config('taskwire.origin', ${origin}, true), set_config('taskwire.request_id', ${requestId ?? ''}, true)
    )`;
}
