-- Up Migration

-- The log in partitions, in four steps, none of which holds up a writer for long. First the table that there is learns where
-- it ends as a partition: a CHECK that nothing is held against yet. In a log that is filled already it ends 10,000,000
-- positions further on at least: the sequencer knows of no other partition until the last step.
ALTER TABLE feed.log ADD COLUMN partition_size bigint NOT NULL DEFAULT 10000000;
ALTER TABLE feed.log ADD CONSTRAINT log_partition_size_positive CHECK (partition_size > 0);
UPDATE feed.log
SET partition_size = coalesce(nullif(current_setting('taskwire.event_partition', true), '')::bigint, partition_size);
COMMENT ON COLUMN feed.log.partition_size IS 'EVENT_PARTITION when the log was made, or first got partitions: how many positions one holds.';

DO $$
DECLARE
  size CONSTANT bigint := (SELECT log.partition_size FROM feed.log);
  head CONSTANT bigint := (SELECT b.last_position FROM feed.event_batches AS b ORDER BY b.id DESC LIMIT 1);
BEGIN
  EXECUTE format(
    'ALTER TABLE feed.events ADD CONSTRAINT events_bound CHECK ("position" IS NOT NULL AND "position" >= ''1''::bigint AND "position" < %L::bigint) NOT VALID',
    CASE WHEN head = 0 THEN size ELSE ((head + 10000000) / size + 1) * size END + 1);
END
$$;
