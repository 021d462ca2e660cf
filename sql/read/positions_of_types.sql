-- The first positions in (after, through] of events of these topics and types (an empty list asks for nothing), at most
-- `most`, in order. The topics and types that the log has are walked by their index, one after the other, however many events each
-- has; then of those that are meant the first events, by the same index. Compared as a row, and under these settings, so that no
-- other index gives the order and nothing is sorted but what was found: whatever the statistics say, and a new partition has
-- none, the log is not walked for what is rare in it.
-- Called by: src/queries/log.ts.
CREATE OR REPLACE FUNCTION feed.positions_of_types(topics text[], types text[], after bigint, through bigint, most integer)
RETURNS TABLE ("position" bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off -- but for the little that has to be
SET enable_incremental_sort = off
SET max_parallel_workers_per_gather = 0
SET jit = off
AS $$
BEGIN
  RETURN QUERY
  SELECT found."position"
  FROM (
    WITH RECURSIVE kinds (topic, type) AS (
      (SELECT e.topic, e.type FROM feed.events AS e ORDER BY e.topic, e.type, e."position" LIMIT 1)
      UNION ALL
      SELECT next.topic, next.type
      FROM kinds
      CROSS JOIN LATERAL (
        SELECT e.topic, e.type
        FROM feed.events AS e
        WHERE (e.topic, e.type) > (kinds.topic, kinds.type)
        ORDER BY e.topic, e.type, e."position"
        LIMIT 1
      ) AS next
    )
    SELECT kinds.topic, kinds.type
    FROM kinds
    WHERE (topics = '{}' OR kinds.topic = ANY (topics)) AND (types = '{}' OR kinds.type = ANY (types))
  ) AS meant
  CROSS JOIN LATERAL (
    SELECT e."position"
    FROM feed.events AS e
    WHERE (e.topic, e.type, e."position") > (meant.topic, meant.type, after)
      AND (e.topic, e.type, e."position") <= (meant.topic, meant.type, through)
    ORDER BY e.topic, e.type, e."position"
    LIMIT most
  ) AS found
  ORDER BY found."position"
  LIMIT most;
END
$$;
COMMENT ON FUNCTION feed.positions_of_types(text[], text[], bigint, bigint, integer) IS
  'The first positions after one of events of these topics and types.';
