-- A batch stays as it is for as long as the log keeps one of its positions; the one that the floor stands on stays too, and
-- so the last one always: it is where numbering goes on, and what turns a time into a position. BEFORE trigger of
-- feed.event_batches.
-- Called by: sql/sequence/triggers.sql.
CREATE OR REPLACE FUNCTION feed.keep_batches() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'DELETE' AND OLD.last_position < (SELECT log.floor FROM feed.log) THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '% of % is refused: the log keeps what this batch numbered', TG_OP, TG_RELID::regclass
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'event_batches_append_only', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
END
$$;
COMMENT ON FUNCTION feed.keep_batches() IS 'BEFORE trigger that keeps the batches of what the log keeps.';
