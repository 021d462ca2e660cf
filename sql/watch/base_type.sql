-- The type that a domain is made of, through all domains between; any other type is its own. Called by
-- feed.unwatchable() and feed.snapshot_page(), so that nothing is cast to a domain: PostgreSQL would run its CHECKs,
-- functions of the domain's owner, with the rights of the log's owner.
-- Called by: feed.snapshot_page(), feed.unwatchable().
CREATE OR REPLACE FUNCTION feed.base_type(of_type oid) RETURNS oid
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
  WITH RECURSIVE inside (oid, made_of) AS (
    SELECT t.oid, t.typbasetype FROM pg_type AS t WHERE t.oid = of_type
    UNION ALL
    SELECT t.oid, t.typbasetype FROM inside JOIN pg_type AS t ON t.oid = inside.made_of
  )
  SELECT oid FROM inside WHERE made_of = 0
$$;
COMMENT ON FUNCTION feed.base_type(oid) IS 'The type that a domain is made of; any other type is its own.';
