// Says who writes, inside of the writing statement: no round trip of its own, and nothing left behind on the connection.
import { sql } from 'slonik';

/** Whom an event names as its origin when it was not a person's psql. */
export type Origin = 'rest' | 'generator' | 'nats';

/** The request that a change is made for: its id, and that of the token it was sent with; null where none is asked for. */
export interface Author {
  requestId: string;
  token: string | null;
}

/**
 * A CTE `context` of one row; sql/capture/stage.sql reads what it sets. It is evaluated only where it is read:
 * the statement must take its rows FROM context (INSERT … SELECT, UPDATE) or be USING it (DELETE).
 */
export function writtenBy(origin: Origin, author: Author | null) {
  return sql.fragment`
    context AS MATERIALIZED (
      SELECT
        set_config('taskwire.origin', ${origin}, true), set_config('taskwire.request_id', ${author?.requestId ?? ''}, true),
        set_config('taskwire.token', ${author?.token ?? ''}, true)
    )`;
}
