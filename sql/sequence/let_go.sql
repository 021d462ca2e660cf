-- Drops a partition that was taken off the log, which is noted in feed.detached: whatever else may be called like one stays.
-- Returns its name. Gives up after 2 s of waiting for a session that reads it.
-- Called by: src/retention/retention.ts.
CREATE OR REPLACE FUNCTION feed.let_go(partition oid) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s'
AS $$
DECLARE
  name CONSTANT text := partition::regclass::text;
BEGIN
  IF EXISTS (
    SELECT FROM feed.detached AS d JOIN pg_class AS c ON c.oid = d.relation WHERE d.relation = partition AND NOT c.relispartition
  ) THEN
    EXECUTE format('DROP TABLE %s', partition::regclass);
  END IF;
  DELETE FROM feed.detached AS d
  WHERE d.relation = partition AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = partition);
  RETURN name;
END
$$;
COMMENT ON FUNCTION feed.let_go(oid) IS 'Drops a partition that was taken off the log.';
