-- Says "this table is a topic": every committed change of a row becomes an event. Called from the triggers.sql of each folder for the
-- service's own tables, and by people for theirs: by who owns the log, or a superuser, and the table. Doing it again is
-- free. Refuses, with the reason, a table of which some change would go unheard or could not be told: better here than in
-- every writer's transaction.
-- The rows that are there already are told as created, in the caller's transaction: so the log alone can rebuild the
-- table, and a snapshot as of any position is right. Making the triggers has locked the table against writers by then.
-- With a status column a change of status is an event, and no other; its type is entity_status, or entity_verb where
-- status_verbs says how a status is called as something that happened: {"running": "started"}; see feed.event_type().
-- `versioned` is for tables whose BEFORE trigger counts `version` with feed.next_version().
-- The triggers' names sort before those that people give, so that a change is staged before what a user's own AFTER
-- trigger on the same row does.
-- Called by: sql/currencies/triggers.sql, sql/runs/triggers.sql, sql/tasks/triggers.sql, operators.
DO $$
BEGIN
  IF to_regprocedure('feed.watch(regclass, text, text, name, name, json)') IS NOT NULL THEN
    DROP FUNCTION feed.watch(regclass, text, text, name, name, json); -- as it was before `versioned`
  END IF;
END
$$;
CREATE OR REPLACE FUNCTION feed.watch(
  relation regclass, topic text, entity text, key_column name DEFAULT 'id', status_column name DEFAULT NULL,
  status_verbs json DEFAULT NULL, versioned boolean DEFAULT false
) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  arguments CONSTANT text := concat_ws(', ',
    quote_literal(topic), quote_literal(entity), quote_literal(key_column), quote_literal(status_column),
    quote_literal(status_verbs::text));
  known CONSTANT regclass := (SELECT w.relation FROM feed.topics AS w WHERE w.topic = watch.topic);
  fault text := feed.unwatchable(relation, key_column);
  other record;
BEGIN
  SELECT w.topic, w.entity, w.relation, c.oid::regclass AS "table"
  INTO other
  FROM feed.topics AS w
  LEFT JOIN pg_class AS c ON c.oid = w.relation
  WHERE w.topic <> watch.topic AND (w.relation = watch.relation OR w.entity = watch.entity)
  ORDER BY w.relation = watch.relation DESC
  LIMIT 1;
  IF (topic ~ '^[a-z][a-z0-9_]{0,62}$' AND entity ~ '^[a-z][a-z0-9_]{0,62}$') IS NOT TRUE THEN
    fault := format(
      'topic and entity are up to 63 of a-z, 0-9 and _, a letter first; these are %L and %L', topic, entity);
  ELSIF other.relation = relation THEN
    fault := format('it is the topic %s already; SELECT feed.unwatch(%L) ends that', other.topic, other.topic);
  ELSIF other.entity = entity AND other."table" IS NULL THEN
    fault := format(
      'the entity %s is that of the topic %s, whose table was dropped; SELECT feed.unwatch(%L) ends that',
      entity, other.topic, other.topic);
  ELSIF other.entity = entity THEN
    fault := format('the entity %s is that of %s, the topic %s', entity, other."table", other.topic);
  END IF;
  IF status_column IS NOT NULL AND NOT EXISTS (
    SELECT FROM pg_attribute AS a WHERE a.attrelid = relation AND a.attname = status_column AND a.attnum > 0 AND NOT a.attisdropped
  ) THEN
    fault := format('it has no column %I', status_column);
  END IF;
  IF known <> relation AND EXISTS (SELECT FROM pg_class AS c WHERE c.oid = known) THEN
    fault := format('the topic %s is that of %s', topic, known);
  ELSIF known IS DISTINCT FROM relation AND current_setting('transaction_isolation') NOT LIKE 'read%' THEN
    fault := 'that needs READ COMMITTED: an older snapshot may not see every row';
  END IF;
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION '% cannot be watched: %', relation, fault USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  IF known <> relation THEN
    PERFORM feed.unwatch(topic); -- of a table that was dropped
  END IF;

  INSERT INTO feed.topics AS w (topic, entity, relation, key_column, status_column, versioned)
  VALUES (watch.topic, watch.entity, watch.relation, watch.key_column, watch.status_column, watch.versioned)
  ON CONFLICT ON CONSTRAINT topics_pkey DO UPDATE
  SET entity = excluded.entity, key_column = excluded.key_column, status_column = excluded.status_column,
      versioned = excluded.versioned
  WHERE (w.entity, w.key_column, w.status_column, w.versioned)
    IS DISTINCT FROM (excluded.entity, excluded.key_column, excluded.status_column, excluded.versioned);

  PERFORM feed.ensure_trigger(
    relation, '00_feed_capture', 'AFTER INSERT OR DELETE OR UPDATE', 'ROW', format('feed.capture(%s)', arguments));
  PERFORM feed.ensure_trigger(
    relation, '00_feed_capture_truncate', 'BEFORE TRUNCATE', 'STATEMENT', format('feed.capture_truncate(%s)', arguments));
  IF known IS DISTINCT FROM relation THEN
    -- A row is called what no column is: a column of that name would be meant otherwise.
    EXECUTE format(
      'SELECT count(feed.stage($1, feed.event_type($2, r.row ->> $4, $5, ''created''), r.row ->> $3, r.row, NULL, $2))
       FROM (SELECT feed.render("00 row") AS row FROM ONLY %s AS "00 row" ORDER BY "00 row".%I) AS r',
      relation, key_column)
    USING topic, entity, key_column, status_column, status_verbs;
  END IF;
END
$$;
COMMENT ON FUNCTION feed.watch(regclass, text, text, name, name, json, boolean) IS 'Makes a table a topic of the log.';
