-- Makes this log another one: what is staged and not in it gets its position, the snapshot starts anew, and the log a
-- new id and no earlier epochs, so that all its clients, who may have seen what this log has lost, are reset. Called by
-- feed.take_up_log(), and by hand (SELECT feed.new_log()) by an operator who has brought the database back to an earlier
-- state.
-- Writers are locked out meanwhile, so that nothing is staged unseen; behind another session's open transaction they are
-- not made to wait for longer than 5 s, it fails instead. Staged rows are told from numbered ones by their
-- own id and then deleted: their transaction ids may be of another cluster, where they mean nothing, and a later look
-- would take them for new. A sequencer at work in this moment fails on the log's constraints, and looks again.
-- A transaction that has written before is refused: its events would stand in the log in two pieces. What it writes
-- afterwards is new to the next look: pg_current_snapshot() leaves out the caller's own transaction, which is therefore
-- put among those in progress (at or above the snapshot's xmax it is that anyhow). Above READ COMMITTED the snapshot may
-- be older than the lock, and the head that it shows older than the log's: refused, too.
-- Called by: feed.take_up_log(), operators.
CREATE OR REPLACE FUNCTION feed.new_log() RETURNS uuid
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET lock_timeout = '5s'
AS $$
DECLARE
  last bigint;
BEGIN
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'feed.new_log() needs READ COMMITTED: an older snapshot may not see the head of the log'
      USING ERRCODE = 'feature_not_supported', HINT = 'SET default_transaction_isolation = ''read committed'' first.';
  END IF;
  IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
    RAISE EXCEPTION 'feed.new_log() cannot be called in a transaction that has written already'
      USING ERRCODE = 'active_sql_transaction', HINT = 'Call it in a transaction of its own.';
  END IF;

  PERFORM FROM feed.log FOR UPDATE; -- before the tables: feed.take_up_log() locks no other after it
  LOCK TABLE feed.staged, feed.events, feed.event_batches IN SHARE ROW EXCLUSIVE MODE;
  SELECT b.last_position INTO last FROM feed.event_batches AS b ORDER BY b.id DESC LIMIT 1;

  PERFORM feed.add_partitions(last + (SELECT count(*) FROM feed.staged));
  INSERT INTO feed.events (
    "position", staged_id, topic, type, subject, "time", origin, actor, transaction, requestid, data, previous, entity, bytes)
  SELECT
    last + row_number() OVER (ORDER BY s.last_id, s.id),
    s.id, s.topic, s.type, s.subject, s."time", s.origin, s.actor, s.xid, s.requestid, s.data, s.previous, s.entity, s.bytes
  FROM (SELECT *, max(id) OVER (PARTITION BY xid) AS last_id FROM feed.staged) AS s
  WHERE NOT EXISTS (SELECT FROM feed.events AS e WHERE e.staged_id = s.id OFFSET 0); -- each by its index, never the whole log
  DELETE FROM feed.staged;

  INSERT INTO feed.event_batches (last_position, snapshot, at)
  SELECT greatest(last, (SELECT max(e."position") FROM feed.events AS e)), format(
      '%s:%s:%s', least(pg_snapshot_xmin(now.snapshot), own.xid), pg_snapshot_xmax(now.snapshot),
      (
        SELECT string_agg(pending.xid::text, ',' ORDER BY pending.xid)
        FROM (
          SELECT pg_snapshot_xip(now.snapshot)
          UNION
          SELECT own.xid WHERE own.xid < pg_snapshot_xmax(now.snapshot)
        ) AS pending (xid)
      ))::pg_snapshot, clock_timestamp()
  FROM (SELECT pg_current_snapshot()) AS now (snapshot)
  CROSS JOIN (SELECT pg_current_xact_id()) AS own (xid);

  DELETE FROM feed.epochs;
  UPDATE feed.log SET first_position = last + 1;
  RETURN feed.begin_epoch();
END
$$;
COMMENT ON FUNCTION feed.new_log() IS 'Numbers what is staged, gives the log a new id and resets its clients.';
