-- Whether a backend works on a statement: one that waits for its client, to read what was asked for or to ask for more,
-- does not. Called by feed.end_stuck_leader(), and by a leader whose answer is a long time coming. False also of a backend
-- that is gone; NULL of one that the caller may not look at, or where track_activities is off. Without it a stuck leader could not be told from a busy one.
-- Called by: feed.end_stuck_leader(), src/sequencer/leader_session.ts.
CREATE OR REPLACE FUNCTION feed.is_working(backend integer) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE
      WHEN a.pid IS NULL THEN false
      WHEN a.state <> 'disabled' THEN a.state = 'active' AND a.wait_event_type IS DISTINCT FROM 'Client'
    END
  FROM (SELECT backend AS pid) AS asked
  LEFT JOIN pg_stat_activity AS a ON a.pid = asked.pid
$$;
COMMENT ON FUNCTION feed.is_working(integer) IS 'Whether a backend works on a statement; NULL if that is not ours to know.';
