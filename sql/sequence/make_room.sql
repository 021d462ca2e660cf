-- Sees to it that the log has partitions for what is to be numbered: for `staged`, all that is staged; otherwise for one partition
-- beyond the head. Says how many it made. Called by the leader, ahead of need and where numbering found none. With its owner's
-- rights, so that a sequencer need not own the log; how far, it finds out itself, so that no caller can have it make more.
-- Called by: src/sequencer/partitions.ts.
CREATE OR REPLACE FUNCTION feed.make_room(staged boolean) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT feed.add_partitions(
    (SELECT b.last_position FROM feed.event_batches AS b ORDER BY b.id DESC LIMIT 1)
    + CASE WHEN staged THEN (SELECT count(*) FROM feed.staged) ELSE (SELECT log.partition_size FROM feed.log) END)
$$;
COMMENT ON FUNCTION feed.make_room(boolean) IS 'Makes the partitions that numbering needs next; says how many.';
