-- What keeps the log append-only for everybody, its owner included: no row of it is changed or taken away. What is below
-- the floor goes with its partition.
SELECT feed.ensure_trigger('feed.events', 'events_append_only', 'BEFORE DELETE OR UPDATE', 'ROW', 'feed.refuse(''events_append_only'')');
SELECT feed.ensure_trigger('feed.events', 'events_append_only_truncate', 'BEFORE TRUNCATE', 'STATEMENT', 'feed.refuse(''events_append_only'')');
SELECT feed.ensure_trigger(p.relation, 'events_append_only_truncate', 'BEFORE TRUNCATE', 'STATEMENT', 'feed.refuse(''events_append_only'')')
FROM feed.partitions() AS p;
DO $$
DECLARE
  part regclass;
BEGIN
  FOR part IN SELECT p.relation FROM feed.partitions() AS p JOIN pg_trigger AS t ON t.tgrelid = p.relation AND t.tgname = 'events_append_only' AND t.tgenabled <> 'A' LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER events_append_only', part);
  END LOOP;
END
$$;
SELECT feed.ensure_trigger('feed.log', 'log_floor_rises', 'BEFORE UPDATE', 'ROW', 'feed.keep_floor()');
SELECT feed.ensure_trigger('feed.event_batches', 'event_batches_append_only', 'BEFORE DELETE OR UPDATE', 'ROW', 'feed.keep_batches()');
SELECT feed.ensure_trigger('feed.event_batches', 'event_batches_append_only_truncate', 'BEFORE TRUNCATE', 'STATEMENT', 'feed.refuse(''event_batches_append_only'')');
SELECT feed.ensure_trigger('feed.staged', 'staged_never_changes', 'BEFORE UPDATE', 'ROW', 'feed.refuse(''staged_never_changes'')');
SELECT feed.ensure_trigger('feed.staged', 'staged_never_truncated', 'BEFORE TRUNCATE', 'STATEMENT', 'feed.refuse(''staged_never_truncated'')');
SELECT feed.ensure_trigger('feed.epochs', 'epochs_never_change', 'BEFORE UPDATE', 'ROW', 'feed.refuse(''epochs_never_change'')');
SELECT feed.ensure_trigger('feed.epochs', 'epochs_never_truncated', 'BEFORE TRUNCATE', 'STATEMENT', 'feed.refuse(''epochs_never_truncated'')');
-- Where the log was made; see feed.take_up_log().
UPDATE feed.log
SET system_identifier = here.system_identifier, timeline = here.timeline, database = here.database,
    server_started = pg_postmaster_start_time(), relation = 'feed.log'::regclass
FROM feed.cluster() AS here
WHERE log.system_identifier IS NULL;
