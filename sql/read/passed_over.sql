-- The staged changes that the log has lost: the last batch's snapshot counts their transaction as seen, so no later look
-- will number them, and they stand in no event. None if all is well. What clean_staged() has taken away by then cannot be
-- looked at any more.
-- Called by: feed.prove(), feed.verify().
CREATE OR REPLACE FUNCTION feed.passed_over() RETURNS TABLE (topic text, subject text, fault text)
LANGUAGE sql STABLE ROWS 1 SET search_path = pg_catalog, pg_temp
AS $$
  SELECT s.topic, s.subject, format('transaction %s counts as numbered, and its staged %s stands in no event', s.xid, s.type)
  FROM feed.staged AS s,
    (SELECT b.snapshot FROM feed.event_batches AS b ORDER BY b.id DESC LIMIT 1) AS last
  WHERE pg_visible_in_snapshot(s.xid, last.snapshot)
    AND NOT EXISTS (SELECT FROM feed.events AS e WHERE e.staged_id = s.id OFFSET 0) -- each by its index, never the whole log
$$;
COMMENT ON FUNCTION feed.passed_over() IS 'Staged changes that count as numbered and stand in no event.';
