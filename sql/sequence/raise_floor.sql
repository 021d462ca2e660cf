-- Raises the floor of the log to the last position that was given longer ago than `age`; with `archived`, only to the end of a
-- partition, all of which is in the archive. Without, the archive ends below the floor from then on, and is not read. Returns the floor as it is now. It is one
-- row, changed in one short transaction, and only where there is something to change: an idle log writes nothing. Readers
-- judge by it from then on; what is below goes afterwards, see src/retention/retention.ts.
-- Called by: src/retention/retention.ts.
CREATE OR REPLACE FUNCTION feed.raise_floor(age interval, archived boolean) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  WITH old AS MATERIALIZED (
    SELECT b.last_position
    FROM feed.event_batches AS b
    WHERE b.at < clock_timestamp() - age
    ORDER BY b.at DESC, b.last_position DESC
    LIMIT 1
  ), target AS MATERIALIZED (
    SELECT CASE
      WHEN archived THEN (
        SELECT max(p.last)
        FROM feed.partitions() AS p
        WHERE p.last <= least(old.last_position, (SELECT max(f.last) FROM feed.archive_files AS f)))
      ELSE old.last_position
    END AS "position"
    FROM old
  ), raised AS (
    UPDATE feed.log
    SET floor = target."position", archived_from = CASE WHEN archived THEN log.archived_from END
    FROM target
    WHERE log.floor < target."position" RETURNING log.floor
  )
  SELECT coalesce((SELECT raised.floor FROM raised), (SELECT log.floor FROM feed.log))
$$;
COMMENT ON FUNCTION feed.raise_floor(interval, boolean) IS 'Raises the floor of the log to what is older than an age; returns it.';
