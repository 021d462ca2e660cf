-- Begins an epoch: gives the log a new id, remembers where and since which start of the server it is, and tells the
-- relays, which look at the log itself then. Called by feed.take_up_log() and feed.new_log(), which have seen to what
-- becomes of the clients of the epoch before; without it they would hold their positions in a log that is no more.
-- A start is known by its time: files that are copied do not bring it along, and it has microseconds. Tables made anew
-- in the same database, from a dump, are known by their oid.
-- Called by: feed.new_log(), feed.take_up_log().
CREATE OR REPLACE FUNCTION feed.begin_epoch() RETURNS uuid
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  WITH begun AS (
    UPDATE feed.log
    SET id = gen_random_uuid(), system_identifier = here.system_identifier, timeline = here.timeline, database = here.database,
        server_started = pg_postmaster_start_time(), relation = 'feed.log'::regclass
    FROM feed.cluster() AS here
    RETURNING log.id
  ), told AS MATERIALIZED (
    SELECT begun.id, pg_notify(feed.channel('events'), json_build_object('log', begun.id)::text) FROM begun
  )
  SELECT told.id FROM told
$$;
COMMENT ON FUNCTION feed.begin_epoch() IS 'Gives the log a new id, and tells the relays of it.';
