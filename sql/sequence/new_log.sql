-- Makes this log another one: what is staged and not in it gets its position, the snapshot starts anew, and the log a
-- new id, so that clients who may have seen what this log has lost are reset. Called by feed.take_up_log(), and by
-- hand (SELECT feed.new_log()) by whoever has brought the database back to an earlier state.
-- Writers are locked out meanwhile, so that nothing is staged unseen; behind somebody's open transaction they are not
-- made to wait for longer than 5 s, it fails instead. Staged rows are told from numbered ones by their
-- own id and then deleted: their transaction ids may be of another cluster, where they mean nothing, and a later look
-- would take them for new. A sequencer at work in this moment fails on the log's constraints, and looks again.
CREATE OR REPLACE FUNCTION feed.new_log() RETURNS uuid
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $$
DECLARE
  last bigint;
  log uuid;
BEGIN
  LOCK TABLE feed.staged, feed.events, feed.event_batches IN SHARE ROW EXCLUSIVE MODE;
  SELECT b.last_position INTO last FROM feed.event_batches AS b ORDER BY b.id DESC LIMIT 1;

  INSERT INTO feed.events (
    "position", staged_id, topic, type, subject, "time", origin, transaction, requestid, data, previous, entity, bytes)
  SELECT
    last + row_number() OVER (ORDER BY s.last_id, s.id),
    s.id, s.topic, s.type, s.subject, s."time", s.origin, s.xid, s.requestid, s.data, s.previous, s.entity, s.bytes
  FROM (SELECT *, max(id) OVER (PARTITION BY xid) AS last_id FROM feed.staged) AS s
  WHERE NOT EXISTS (SELECT FROM feed.events AS e WHERE e.staged_id = s.id);
  DELETE FROM feed.staged;

  INSERT INTO feed.event_batches (last_position, snapshot, at)
  SELECT greatest(last, max(e."position")), pg_current_snapshot(), clock_timestamp() FROM feed.events AS e;
  UPDATE feed.log
  SET id = gen_random_uuid(), system_identifier = here.system_identifier, timeline = here.timeline, database = here.database,
      first_position = last + 1
  FROM feed.cluster() AS here
  RETURNING feed.log.id INTO log;
  PERFORM pg_notify(feed.channel('events'), json_build_object('log', log)::text);
  RETURN log;
END
$$;
COMMENT ON FUNCTION feed.new_log() IS 'Numbers what is staged, gives the log a new id and resets its clients.';
