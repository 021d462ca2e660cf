-- Prepares the log for a sequencer that has just got the leader lock, before its first look.
-- On another cluster than the one the last snapshot is of, that snapshot would count new changes as seen, and they would
-- be lost without a sound: the log becomes another one. Returns the new log's id then, NULL if the log is at home.
-- At home it begins an epoch if the server was started since the last one began: the files may be older than what
-- clients have seen, a copy that was put back. The epoch that ends is remembered with the last position that it has
-- here. No position is given on this start of the server before that, so a client that has seen no more goes on.
-- With its owner's rights, so that a sequencer needs none on the log's tables. Called out of turn it does what the next leader would.
-- Called by: src/sequencer/sequencer.ts.
CREATE OR REPLACE FUNCTION feed.take_up_log() RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  known feed.log;
  here record;
BEGIN
  SELECT * INTO known FROM feed.log; -- not locked yet: feed.new_log() wants a transaction that has written nothing
  SELECT * INTO here FROM feed.cluster();
  IF (known.system_identifier, known.timeline, known.database)
     IS DISTINCT FROM (here.system_identifier, here.timeline, here.database) THEN
    RETURN feed.new_log();
  END IF;

  SELECT log.* INTO known
  FROM feed.log
  WHERE (log.server_started, log.relation) IS DISTINCT FROM (pg_postmaster_start_time(), 'feed.log'::regclass::oid)
  FOR UPDATE;
  IF FOUND THEN
    INSERT INTO feed.epochs (id, last_position)
    SELECT known.id, b.last_position FROM feed.event_batches AS b ORDER BY b.id DESC LIMIT 1;
    PERFORM feed.begin_epoch();
  END IF;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION feed.take_up_log() IS 'Makes the log fit for this start of this cluster; the new log''s id if it was another''s.';
