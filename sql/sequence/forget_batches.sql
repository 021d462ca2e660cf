-- Takes away what the log remembers of positions below its floor: batches, a bounded number at a time, and epochs that ended
-- before what clients can still be told, the archive included: a client of one is reset with and without it. Returns how many batches went; 0 when none is left to go.
-- Called by: src/retention/retention.ts.
CREATE OR REPLACE FUNCTION feed.forget_batches(most integer) RETURNS integer
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
AS $$
  WITH forgotten AS (
    DELETE FROM feed.epochs AS e USING feed.log WHERE e.last_position < coalesce(log.archived_from - 1, log.floor)
  ), gone AS (
    DELETE FROM feed.event_batches AS b
    WHERE b.ctid = ANY (ARRAY(
      SELECT old.ctid
      FROM feed.event_batches AS old
      WHERE old.last_position < (SELECT log.floor FROM feed.log)
      ORDER BY old.last_position
      LIMIT most))
    RETURNING 1
  )
  SELECT count(*)::integer FROM gone
$$;
COMMENT ON FUNCTION feed.forget_batches(integer) IS 'Deletes batches and epochs below the floor; says how many batches.';
