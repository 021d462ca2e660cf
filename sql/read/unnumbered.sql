-- The changes of a topic that have committed and have no position yet, as the caller's snapshot sees them. Called by
-- a caller that reads the log and must not miss what was just written. The condition is that of feed.sequence_staged(): what
-- the last batch's snapshot could not see. Without the document, which stands in feed.staged under (xid, id).
-- Changes of one subject follow each other in the order of `id`: each waited for the row of the one before.
-- Called by: feed.list_past(), feed.snapshot_page(), public.restore_task(), src/queries/currencies.ts,
-- src/queries/history.ts.
CREATE OR REPLACE FUNCTION feed.unnumbered(of_topic text) RETURNS TABLE (xid xid8, id bigint, subject text)
LANGUAGE sql STABLE ROWS 10
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off -- whatever the statistics say, only the new end of staged may be read
AS $$
  WITH last AS MATERIALIZED (
    SELECT b.snapshot
    FROM feed.event_batches AS b
    ORDER BY b.id DESC
    LIMIT 1
  )
  SELECT s.xid, s.id, s.subject
  FROM last
  CROSS JOIN LATERAL (SELECT * FROM feed.staged WHERE xid >= pg_snapshot_xmax(last.snapshot)) AS s
  WHERE s.topic = of_topic
  UNION ALL
  SELECT s.xid, s.id, s.subject
  FROM last
  CROSS JOIN LATERAL pg_snapshot_xip(last.snapshot) AS pending (xid)
  CROSS JOIN LATERAL (SELECT * FROM feed.staged WHERE xid = pending.xid OFFSET 0) AS s
  WHERE s.topic = of_topic
$$;
COMMENT ON FUNCTION feed.unnumbered(text) IS 'Committed changes of a topic that are not in the log yet.';
