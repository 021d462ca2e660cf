-- The entities of a topic that were there at a position, newest created_at first, that come after the one with these
-- keys (NULL: from the start), at most `most`. Called by the API for a list as of a moment.
-- It walks the creations in the log downwards, from when the position was given (nothing is created in the future; the
-- ten minutes are for clocks that were set back), and keeps those whose entity's last event by then is no deletion. An
-- entity that came back has several creations: they stand side by side, or under a created_at that is not its last one.
-- After 10,000 creations it stops, and the last row has no document and only tells how far it came: where almost
-- everything was deleted a page is short, not slow. All without sorting, however the planner judges its chances: a
-- sort would read every creation of the log for one page.
-- Called by: src/queries/history.ts.
CREATE OR REPLACE FUNCTION feed.list_past(of_topic text, at bigint, after_created_at text, after_subject text, most integer)
RETURNS TABLE (subject text, created_at text, document text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET enable_hashagg = off
SET max_parallel_workers_per_gather = 0
AS $$
  WITH start AS MATERIALIZED (
    SELECT feed.rfc3339(b.at + interval '10 minutes') AS created_at
    FROM feed.event_batches AS b
    WHERE b.last_position >= list_past.at
    ORDER BY b.last_position
    LIMIT 1
  ), walked AS MATERIALIZED (
    SELECT DISTINCT ON (left(e.data ->> 'created_at', 27) COLLATE "C", e.subject COLLATE "C")
      e.subject, e.data ->> 'created_at' AS created_at
    FROM feed.events AS e
    WHERE e.topic = of_topic
      AND e.type LIKE '%\_created'
      AND e."position" <= list_past.at
      AND (left(e.data ->> 'created_at', 27) COLLATE "C", e.subject COLLATE "C")
        < (coalesce(after_created_at, (SELECT start.created_at FROM start)), coalesce(after_subject, ''))
    ORDER BY left(e.data ->> 'created_at', 27) COLLATE "C" DESC, e.subject COLLATE "C" DESC
    LIMIT 10000
  )
  (
    SELECT walked.subject, walked.created_at, past.data::text
    FROM walked
    CROSS JOIN LATERAL (
      SELECT e.type, e.data
      FROM feed.events AS e
      WHERE e.subject = walked.subject AND e.topic = of_topic AND e."position" <= list_past.at
      ORDER BY e."position" DESC
      LIMIT 1
    ) AS past
    WHERE past.type NOT LIKE '%\_deleted' AND past.data ->> 'created_at' = walked.created_at
  )
  UNION ALL
  (SELECT walked.subject, walked.created_at, NULL FROM walked OFFSET 9999)
  LIMIT most
$$;
COMMENT ON FUNCTION feed.list_past(text, bigint, text, text, integer) IS
  'A page of the entities of a topic as of a position, newest first; ends without a document if it may go on.';
