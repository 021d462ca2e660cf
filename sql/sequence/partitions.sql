-- The partitions of the log, in its order: which positions each holds, and whether taking it off the log was begun and not
-- finished (an interrupted DETACH … CONCURRENTLY). Their bounds are read from the catalogue, and so always the ones
-- that hold.
-- Called by: feed.add_partitions(), feed.drift(), feed.raise_floor(), sql/sequence/triggers.sql,
-- src/doctor/schema.ts, src/retention/retention.ts.
CREATE OR REPLACE FUNCTION feed.partitions() RETURNS TABLE (relation regclass, first bigint, last bigint, is_detached boolean)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET quote_all_identifiers = off
AS $$
  SELECT i.inhrelid::regclass, b.bound[1]::bigint, b.bound[2]::bigint - 1, i.inhdetachpending
  FROM pg_inherits AS i
  JOIN pg_class AS c ON c.oid = i.inhrelid
  CROSS JOIN LATERAL regexp_match(
    pg_get_expr(c.relpartbound, c.oid), '^FOR VALUES FROM \(''([0-9]+)''\) TO \(''([0-9]+)''\)$') AS b (bound)
  WHERE i.inhparent = 'feed.events'::regclass
  ORDER BY 2
$$;
COMMENT ON FUNCTION feed.partitions() IS 'The partitions of the log and the positions that each holds.';
