-- The transactional outbox: stages one change in the writer's own transaction, and rings the doorbell (a wake-up NOTIFY) if
-- the sequencer sleeps.
-- The event exists if and only if the change commits.
-- A writer that says where a change comes from, of which request, and by whose token, is believed if its session may take
-- the role of the service or of the log's owner; any session can set such a setting. The token is looked up: an actor was
-- one.
-- The doorbell: a NOTIFY takes a database-wide lock around the commit, so commits that notify run one at a time.
-- The sequencer holds the doorbell lock exclusively while, and only while, it sleeps. A writer that gets it shared
-- knows the sequencer is awake and cannot go to sleep before this transaction has ended: it passes in silence. Only
-- a writer that does not get it rings. The row must be staged first: a lock taken earlier, in a savepoint that is
-- rolled back, would vouch for nothing.
-- What is larger than an event may be is refused: the log is only appended to, so what a reader cannot take would stop it
-- for good.
-- `entity` may be left out where the type is the entity and one word more; see feed.staged.
-- Called by: feed.capture(), feed.capture_truncate(), feed.unwatch(), feed.watch().
DO $$
BEGIN
  IF to_regprocedure('feed.stage(text, text, text, json, json)') IS NOT NULL THEN
    DROP FUNCTION feed.stage(text, text, text, json, json); -- as it was before `entity`
  END IF;
END
$$;
CREATE OR REPLACE FUNCTION feed.stage(
  topic text, type text, subject text, data json, previous json, entity text DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
  bytes CONSTANT bigint := octet_length(data::text) + coalesce(octet_length(previous::text), 0);
  origin text;
  request_id text;
  token text;
  actor json;
BEGIN
  IF subject IS NULL THEN
    RAISE EXCEPTION 'a row of the topic % is told without its key', topic
      USING ERRCODE = 'object_not_in_prerequisite_state',
        HINT = 'If the key column was renamed, watch the table again; a feed.render() of its own must hold the key.';
  END IF;
  IF bytes > feed.most_bytes() THEN
    PERFORM feed.refuse_large(topic, subject, bytes);
  END IF;
  -- The session's own role: ours is the owner's by now. Asked only where something was set, which psql does not.
  IF concat(
      current_setting('taskwire.origin', true), current_setting('taskwire.request_id', true), current_setting('taskwire.token', true)) <> ''
    AND (coalesce(pg_has_role(session_user, to_regrole('taskwire_app'), 'SET'), false) OR pg_has_role(session_user, current_user, 'SET'))
  THEN
    origin := nullif(current_setting('taskwire.origin', true), '');
    request_id := nullif(current_setting('taskwire.request_id', true), '');
    token := nullif(current_setting('taskwire.token', true), '');
  END IF;
  IF token IS NOT NULL AND origin = 'rest' THEN
    SELECT format('{"id":%s,"name":%s}', to_json(t.id), to_json(t.name)) INTO actor FROM public.tokens AS t WHERE t.id = token;
  END IF;
  INSERT INTO feed.staged (xid, topic, type, subject, "time", origin, actor, requestid, data, previous, bytes, entity)
  VALUES (
    pg_current_xact_id(), topic, type, subject, clock_timestamp(),
    CASE WHEN origin IN ('rest', 'generator', 'nats') THEN origin ELSE 'psql' END,
    actor,
    left(request_id, 200),
    data, previous, bytes,
    CASE WHEN strpos(substr(type, length(entity) + 2), '_') > 0 THEN entity END);
  IF NOT pg_try_advisory_xact_lock_shared(feed.lock_key('doorbell')) THEN
    PERFORM pg_notify(feed.channel('doorbell'), '');
  END IF;
END
$$;
COMMENT ON FUNCTION feed.stage(text, text, text, json, json, text) IS
  'Stages a change as an event of the current transaction and wakes the sequencer.';
