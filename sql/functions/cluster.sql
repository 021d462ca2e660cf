-- Which cluster this is, and which line of its history: the two change when data moves to where its transaction ids
-- mean nothing, by restore, promotion or recovery to a point in time. Called by feed.take_up_log() and feed.new_log().
-- The timeline is the first eight digits of a WAL file's name: pg_control_checkpoint() tells the old one for some time
-- after a promotion.
CREATE OR REPLACE FUNCTION feed.cluster(OUT system_identifier bigint, OUT timeline integer)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT c.system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer
  FROM pg_control_system() AS c
$$;
COMMENT ON FUNCTION feed.cluster() IS 'The cluster''s system identifier and timeline.';
