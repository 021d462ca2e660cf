-- The floor of the log only rises, and never beyond the head: a position that clients were told is gone does not come back,
-- and one that was never given is not given up. BEFORE trigger of feed.log.
-- Called by: sql/sequence/triggers.sql.
CREATE OR REPLACE FUNCTION feed.keep_floor() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF NEW.floor < OLD.floor OR NEW.floor > (SELECT b.last_position FROM feed.event_batches AS b ORDER BY b.id DESC LIMIT 1) THEN
    RAISE EXCEPTION 'the floor of the log rises from % up to its head, and not to %', OLD.floor, NEW.floor
      USING ERRCODE = 'restrict_violation', CONSTRAINT = 'log_floor_rises', TABLE = 'log', SCHEMA = TG_TABLE_SCHEMA;
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION feed.keep_floor() IS 'BEFORE trigger that lets the floor of the log rise alone.';
