-- Takes numbered rows out of staged, a bounded piece at a time, from behind a row that the caller remembers, so
-- that no call wades through what earlier ones deleted, be it of one transaction: as long as another one is open, vacuum
-- leaves that where it is. Called by the leader in the background, never on the way of
-- an event. Everything below the last batch's xmin had ended when that batch looked: numbered, or rolled back.
-- Returns the row to go on behind; NULLs when nothing was left to take.
-- The piece is found in the order of the key and deleted by its place: whatever the statistics say, nothing but the piece
-- is read, and there is no join that could read all.
-- Called by: src/queries/log.ts.
CREATE OR REPLACE FUNCTION feed.clean_staged(after_xid xid8, after_id bigint, most integer, OUT last_xid xid8, OUT last_id bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
AS $$
  WITH gone AS (
    DELETE FROM feed.staged AS s
    WHERE s.ctid = ANY (ARRAY(
      SELECT numbered.ctid
      FROM feed.staged AS numbered
      WHERE (numbered.xid, numbered.id) > (after_xid, after_id)
        AND numbered.xid < (SELECT pg_snapshot_xmin(snapshot) FROM feed.event_batches ORDER BY id DESC LIMIT 1)
      ORDER BY numbered.xid, numbered.id
      LIMIT most))
    RETURNING s.xid, s.id
  ), last AS ( -- a row even if there is none, so that the caller always gets one
    SELECT gone.xid, gone.id FROM gone ORDER BY gone.xid DESC, gone.id DESC LIMIT 1
  )
  SELECT last.xid, last.id FROM (VALUES (true)) AS one LEFT JOIN last ON true
$$;
COMMENT ON FUNCTION feed.clean_staged(xid8, bigint, integer) IS 'Deletes numbered staged rows; returns where to go on.';
