-- Takes numbered rows out of staged, a bounded piece at a time, from a lower bound that the caller remembers, so
-- that no call wades through what earlier ones deleted. Called by the leader in the background, never on the way of
-- an event. Everything below the last batch's xmin had ended when that batch looked: numbered, or rolled back.
-- Returns the bound for the next call; NULL when nothing was left to take.
CREATE OR REPLACE FUNCTION feed.clean_staged(lower_bound xid8, most integer) RETURNS xid8
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
  WITH done AS (
    SELECT s.xid, s.id
    FROM feed.staged AS s
    WHERE s.xid >= lower_bound
      AND s.xid < (SELECT pg_snapshot_xmin(snapshot) FROM feed.event_batches ORDER BY id DESC LIMIT 1)
    ORDER BY s.xid, s.id
    LIMIT most
  ), gone AS (
    DELETE FROM feed.staged AS s
    USING done
    WHERE s.xid = done.xid AND s.id = done.id
    RETURNING s.xid
  )
  SELECT gone.xid FROM gone ORDER BY gone.xid DESC LIMIT 1
$$;
COMMENT ON FUNCTION feed.clean_staged(xid8, integer) IS 'Deletes numbered staged rows; returns where to go on.';
