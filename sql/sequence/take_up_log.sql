-- Prepares the log for a sequencer that has just got the leader lock, before its first look: on another cluster than
-- the one the last snapshot is of, that snapshot would count new changes as seen, and they would be lost without a
-- sound. Called by the sequencer. Returns the new log's id, or NULL if the log is at home.
CREATE OR REPLACE FUNCTION feed.take_up_log() RETURNS uuid
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  known feed.log;
  here record;
BEGIN
  SELECT * INTO known FROM feed.log;
  SELECT * INTO here FROM feed.cluster();
  IF (known.system_identifier, known.timeline, known.database) = (here.system_identifier, here.timeline, here.database) THEN
    RETURN NULL;
  END IF;
  RETURN feed.new_log();
END
$$;
COMMENT ON FUNCTION feed.take_up_log() IS 'Makes the log fit for this cluster; the new log''s id if it was another''s.';
