-- Looks whether committed changes wait while the leader does nothing, and ends a leader that is found so twice. Called
-- by the other candidates, about once a second; without it a stopped leader keeps the log waiting until its session
-- times out. Only reads; while nothing waits that is two index look-ups.
-- Returns the leader's backend and the last batch if something waits and the backend does not work, NULLs otherwise.
-- Given what a look two seconds ago returned, and finding the same, it ends that backend and waits for its end, so that
-- the lock is free: `ended`. No batch in between means that what waited then still waits. A backend at work is never
-- ended: a batch of a million rows takes its time, and ended again and again it would never be done.
-- Raises insufficient_privilege where the caller may not end the backend, or not see what it does.
-- Called by: src/sequencer/watchdog.ts.
CREATE OR REPLACE FUNCTION feed.end_stuck_leader(
  seen_leader integer, seen_batch bigint, OUT leader integer, OUT batch bigint, OUT ended boolean)
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off -- as in feed.sequence_staged()
AS $$
DECLARE
  key constant bigint := feed.lock_key('leader');
  working boolean;
BEGIN
  SELECT last.id INTO batch
  FROM (SELECT b.id, b.snapshot FROM feed.event_batches AS b ORDER BY b.id DESC LIMIT 1) AS last
  WHERE EXISTS (SELECT FROM feed.staged AS s WHERE s.xid >= pg_snapshot_xmax(last.snapshot))
     OR EXISTS (
       SELECT
       FROM pg_snapshot_xip(last.snapshot) AS pending (xid)
       CROSS JOIN LATERAL (SELECT FROM feed.staged AS s WHERE s.xid = pending.xid OFFSET 0) AS s);
  IF batch IS NULL THEN
    RETURN;
  END IF;

  -- A 64-bit key is shown in two halves, with objsubid 1.
  SELECT l.pid INTO leader
  FROM pg_locks AS l
  WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
    AND l.classid = ((key >> 32) & 4294967295)::oid AND l.objid = (key & 4294967295)::oid;
  working := feed.is_working(leader);
  IF leader IS NULL OR working THEN
    leader := NULL;
    batch := NULL;
  ELSIF (leader, batch) = (seen_leader, seen_batch) THEN
    IF working IS NULL THEN
      RAISE insufficient_privilege USING MESSAGE = 'what the leader''s session does is not to be seen';
    END IF;
    ended := pg_terminate_backend(leader, 1000);
  END IF;
END
$$;
COMMENT ON FUNCTION feed.end_stuck_leader(integer, bigint) IS
  'Ends the leader''s session if changes wait and it does nothing, now as at the look before.';
