-- Says "this table is no topic any more": its changes are no events from now on, and what the log holds of it is told as
-- deleted, for the log will not know what becomes of it. Called by people, who must own the log and the table, and by
-- feed.watch() for a topic whose table was dropped. The table's rows stay as they are.
-- Called by: feed.refuse_large(), feed.watch(), operators.
CREATE OR REPLACE FUNCTION feed.unwatch(topic text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  watched feed.topics;
BEGIN
  SELECT w.* INTO watched FROM feed.topics AS w WHERE w.topic = unwatch.topic FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no topic %', topic USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF topic IN ('tasks', 'currencies', 'runs') THEN
    RAISE EXCEPTION 'the topic % is the service''s own: what it promises would end unseen', topic
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  IF EXISTS (SELECT FROM pg_class AS c WHERE c.oid = watched.relation) THEN
    EXECUTE format('DROP TRIGGER IF EXISTS "00_feed_capture" ON %s', watched.relation);
    EXECUTE format('DROP TRIGGER IF EXISTS "00_feed_capture_truncate" ON %s', watched.relation);
  END IF;
  PERFORM feed.stage(watched.topic, watched.entity || '_deleted', last.subject, CASE
    WHEN octet_length(last.data::text) <= feed.most_bytes() THEN last.data
    ELSE concat('{', to_json(watched.key_column), ':', to_json(last.subject), '}')::json -- from before there was a limit: a topic can be ended in any case
  END, NULL)
  FROM feed.fold(watched.topic) AS last
  WHERE last.type <> watched.entity || '_deleted';
  -- What has not changed since before the floor is in no event any more, and is there all the same.
  IF (SELECT log.floor FROM feed.log) > 0 AND EXISTS (SELECT FROM pg_class AS c WHERE c.oid = watched.relation) THEN
    EXECUTE format($query$
      SELECT feed.stage($1, $2, r.data ->> $3, r.data, NULL)
      FROM (SELECT feed.render("00 row") AS data FROM ONLY %s AS "00 row") AS r
      WHERE NOT EXISTS (SELECT FROM feed.fold($1) AS known WHERE known.subject = r.data ->> $3)
    $query$, watched.relation) USING watched.topic, watched.entity || '_deleted', watched.key_column;
  END IF;
  DELETE FROM feed.topics AS w WHERE w.topic = watched.topic;
END
$$;
COMMENT ON FUNCTION feed.unwatch(text) IS 'Ends a topic: its entities are told as deleted, its table is left alone.';
