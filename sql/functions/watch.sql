-- Says "this table is a topic": every committed change of a row becomes an event. Called from sql/triggers for the
-- service's own tables. Doing it again is free.
-- The triggers' names sort before any other, so that a change is staged before what a user's own AFTER trigger does.
CREATE OR REPLACE FUNCTION feed.watch(
  relation regclass, topic text, entity text, key_column name DEFAULT 'id', status_column name DEFAULT NULL
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  arguments CONSTANT text := concat_ws(', ',
    quote_literal(topic), quote_literal(entity), quote_literal(key_column), quote_literal(status_column));
BEGIN
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
COMMENT ON FUNCTION feed.watch(regclass, text, text, name, name) IS 'Makes a table a topic of the log.';
