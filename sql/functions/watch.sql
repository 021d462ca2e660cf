-- Says "this table is a topic": every committed change of a row becomes an event. Called from sql/triggers for the
-- service's own tables. Doing it again is free. Refuses, with the reason, a table of which some change would go
-- unheard or could not be told: better here than in every writer's transaction.
-- With a status column a change of status is an event, and no other; its type is entity_status, or entity_verb where
-- status_verbs says how a status is called as something that happened: {"running": "started"}.
-- The triggers' names sort before those that people give, so that a change is staged before what a user's own AFTER
-- trigger on the same row does.
CREATE OR REPLACE FUNCTION feed.watch(
  relation regclass, topic text, entity text, key_column name DEFAULT 'id', status_column name DEFAULT NULL,
  status_verbs json DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  arguments CONSTANT text := concat_ws(', ',
    quote_literal(topic), quote_literal(entity), quote_literal(key_column), quote_literal(status_column),
    quote_literal(status_verbs::text));
  fault text;
BEGIN
  SELECT CASE
    WHEN c.relkind <> 'r' OR c.relispartition THEN 'it is no ordinary table'
    WHEN c.relpersistence <> 'p' THEN 'its rows do not outlive a crash or its session, as the log does'
    WHEN EXISTS (SELECT FROM pg_inherits AS i WHERE c.oid IN (i.inhrelid, i.inhparent)) THEN
      'it inherits or is inherited from: rows of the one would be seen through the other without their changes'
    WHEN NOT EXISTS (
      SELECT FROM pg_index AS i
      JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
      WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnkeyatts = 1 AND a.attname = key_column
    ) THEN format('its primary key is not the column %I', key_column)
    WHEN to_regprocedure(format('feed.render(%s)', relation)) IS NULL THEN
      format('there is no function feed.render(%s)', relation)
  END
  INTO fault
  FROM pg_class AS c
  WHERE c.oid = relation;
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION '% cannot be watched: %', relation, fault USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;

  INSERT INTO feed.topics AS known (topic, entity, relation, key_column, status_column)
  VALUES (watch.topic, watch.entity, watch.relation, watch.key_column, watch.status_column)
  ON CONFLICT ON CONSTRAINT topics_pkey DO UPDATE
  SET entity = excluded.entity, relation = excluded.relation,
      key_column = excluded.key_column, status_column = excluded.status_column
  WHERE (known.entity, known.relation, known.key_column, known.status_column)
    IS DISTINCT FROM (excluded.entity, excluded.relation, excluded.key_column, excluded.status_column);

  PERFORM feed.ensure_trigger(
    relation, '00_feed_capture', 'AFTER INSERT OR DELETE OR UPDATE', 'ROW', format('feed.capture(%s)', arguments));
  PERFORM feed.ensure_trigger(
    relation, '00_feed_capture_truncate', 'BEFORE TRUNCATE', 'STATEMENT', format('feed.capture_truncate(%s)', arguments));
END
$$;
COMMENT ON FUNCTION feed.watch(regclass, text, text, name, name, json) IS 'Makes a table a topic of the log.';
