-- Those of some positions that no other event of their entity follows up to `through`; with types, no other of these types.
-- Each looks for the next one of its entity in the index of those, under these settings: whatever the statistics say.
-- Called by: src/queries/log.ts.
CREATE OR REPLACE FUNCTION feed.last_of_entities(positions bigint[], types text[], through bigint)
RETURNS TABLE ("position" bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET enable_incremental_sort = off
SET max_parallel_workers_per_gather = 0
SET jit = off
AS $$
BEGIN
  RETURN QUERY
  SELECT e."position"
  FROM unnest(positions) AS wanted ("position")
  CROSS JOIN LATERAL (SELECT * FROM feed.events AS one WHERE one."position" = wanted."position" OFFSET 0) AS e
  WHERE (types = '{}' OR e.type = ANY (types))
    AND (
      SELECT later."position"
      FROM feed.events AS later
      WHERE (later.subject, later."position") > (e.subject, e."position") AND later.subject <= e.subject
        AND later."position" <= through AND later.topic = e.topic AND (types = '{}' OR later.type = ANY (types))
      ORDER BY later.subject, later."position"
      LIMIT 1
    ) IS NULL;
END
$$;
COMMENT ON FUNCTION feed.last_of_entities(bigint[], text[], bigint) IS 'Those of some positions that are the last of their entity.';
