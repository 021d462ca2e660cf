-- Refuses a change of a watched table whose primary key is not the one it is watched under any more. Called by
-- feed.capture() at the first row of a statement, and by feed.capture_truncate().
-- What it found is remembered for the rest of the statement, in a setting that ends with the transaction.
CREATE OR REPLACE FUNCTION feed.require_key(relation oid, key_column name, topic text) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
  IF NOT EXISTS (
    SELECT
    FROM pg_index AS i
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = relation AND i.indisprimary AND i.indnkeyatts = 1 AND a.attname = key_column
  ) THEN
    RAISE EXCEPTION '% is watched, and its primary key is not the column % any more', relation::regclass, quote_ident(key_column)
      USING ERRCODE = 'object_not_in_prerequisite_state',
        HINT = format('Give it the primary key back, watch it again under its new one, or end the topic: SELECT feed.unwatch(%L).', topic);
  END IF;
  PERFORM set_config('taskwire.keyed', concat(relation, ' ', statement_timestamp()), true);
END
$$;
COMMENT ON FUNCTION feed.require_key(oid, name, text) IS 'Refuses a change of a watched table that has lost its key.';
