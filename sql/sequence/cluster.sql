-- Which cluster this is, which line of its history, and which database: they change when data moves to where its
-- transaction ids mean nothing or where it is only a copy, by restore, clone, promotion or recovery to a point in time. Called by
-- feed.take_up_log() and feed.begin_epoch().
-- The timeline is the first eight digits of a WAL file's name: pg_control_checkpoint() tells the old one for some time
-- after a promotion.
-- Called by: feed.begin_epoch(), feed.take_up_log(), sql/sequence/triggers.sql.
CREATE OR REPLACE FUNCTION feed.cluster(OUT system_identifier bigint, OUT timeline integer, OUT database oid)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT c.system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer,
    (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
  FROM pg_control_system() AS c
$$;
COMMENT ON FUNCTION feed.cluster() IS 'The cluster''s system identifier and timeline, and the database''s oid.';
