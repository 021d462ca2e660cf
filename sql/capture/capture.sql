-- Change data capture: turns a changed row into an event. The AFTER ROW trigger of every watched table, attached by feed.watch() with
-- the arguments topic, entity, key column and, where there is one, status column and how a type calls a status.
-- Row level on purpose: a statement-level trigger keeps the plan of its first transition table (one row) for its
-- twenty-thousandth, and shows a change made by a user's own trigger before the change that caused it.
-- The overload of feed.render() is chosen by the row's type, when plpgsql first runs this for a table.
-- A row that renders the same as before did not change, and makes no event. Both are rendered here and now, in one spelling: so
-- they compare as text.
-- A row that is new in a table without a status is what comes most often, and goes first: what plpgsql declares it computes for
-- each row, and of an expression the first time in a transaction is the dear one.
-- A table whose status column has another name now takes no change: each would be an event of the wrong type. Whether
-- its primary key is still there is not looked at: for each statement of one row that would cost as much as a fifth of all
-- that is done here. feed.verify() names a table that has lost it.
-- Called by: feed.watch().
CREATE OR REPLACE FUNCTION feed.capture() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  after_row json;
BEGIN
  IF TG_OP = 'INSERT' AND TG_ARGV[3] IS NULL THEN
    after_row := feed.render(NEW);
    PERFORM feed.stage(TG_ARGV[0], TG_ARGV[1] || '_created', after_row ->> TG_ARGV[2], after_row, NULL);
    RETURN NULL;
  END IF;

  DECLARE
    topic CONSTANT text := TG_ARGV[0];
    entity CONSTANT text := TG_ARGV[1];
    key_column CONSTANT text := TG_ARGV[2];
    status_column CONSTANT text := TG_ARGV[3];
    verbs CONSTANT json := TG_ARGV[4];
    before_row json;
    previous json;
  BEGIN
    IF TG_OP <> 'DELETE' THEN
      after_row := feed.render(NEW);
      IF status_column IS NOT NULL AND after_row -> status_column IS NULL THEN
        RAISE EXCEPTION '% is watched, and what is told of a row has no % any more', TG_RELID::regclass, quote_ident(status_column)
          USING ERRCODE = 'object_not_in_prerequisite_state',
            HINT = 'Watch it again with the status column that it has now; a feed.render() of its own must hold that column.';
      END IF;
    END IF;
    IF TG_OP = 'INSERT' THEN
      PERFORM feed.stage(
        topic, feed.event_type(entity, after_row ->> status_column, verbs, 'created'),
        after_row ->> key_column, after_row, NULL, entity);
      RETURN NULL;
    END IF;

    before_row := feed.render(OLD);
    IF TG_OP = 'DELETE' THEN
      PERFORM feed.remember_version(topic, before_row, key_column);
      PERFORM feed.stage(topic, entity || '_deleted', before_row ->> key_column, before_row, NULL);
      RETURN NULL;
    END IF;

    IF before_row::text = after_row::text THEN
      RETURN NULL;
    END IF;
    IF before_row ->> key_column <> after_row ->> key_column THEN
      PERFORM feed.stage(topic, entity || '_deleted', before_row ->> key_column, before_row, NULL);
      PERFORM feed.stage(topic, entity || '_created', after_row ->> key_column, after_row, NULL);
      RETURN NULL;
    END IF;
    IF status_column IS NOT NULL AND before_row ->> status_column IS NOT DISTINCT FROM after_row ->> status_column THEN
      IF octet_length(after_row::text) > feed.most_bytes() THEN
        PERFORM feed.refuse_large(topic, after_row ->> key_column, octet_length(after_row::text));
      END IF;
      RETURN NULL;
    END IF;
    SELECT '{' || string_agg(concat(to_json(o.key), ':', o.value), ',' ORDER BY o.ordinality) || '}'
    INTO previous
    FROM json_each(before_row) WITH ORDINALITY AS o
    JOIN json_each(after_row) AS n ON n.key = o.key
    WHERE n.value::text <> o.value::text;
    PERFORM feed.stage(
      topic, feed.event_type(entity, after_row ->> status_column, verbs, 'updated'),
      after_row ->> key_column, after_row, previous, entity);
    RETURN NULL;
  END;
END
$$;
COMMENT ON FUNCTION feed.capture() IS 'AFTER ROW trigger of watched tables: stages the change as an event.';
