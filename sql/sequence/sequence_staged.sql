-- The gapless sequence: gives every newly committed change its position and appends it to the log. Called by the one sequencer, which
-- holds the leader lock and runs READ COMMITTED. It works with its owner's rights, so that a sequencer needs none on the log's
-- tables; and it numbers for nobody else: beside a leader, in a transaction that keeps its snapshot, or in one that has written (the snapshot stored would leave out
-- its own rows: see feed.new_log()), it finds nothing. A
-- caller without the lock takes it until the end of its transaction, if it is free. A caller names the columns that it wants: there may be more in a later version.
-- One statement, because the snapshot stored with the batch must be the one its scan used. New is what the last
-- batch's snapshot could not see and this one can: transactions at or above its xmax, or in progress then.
-- Positions are given after the commit, by one writer, so they are dense, appear in order, and a reader that has seen N
-- has seen everything up to N. Nothing is updated or deleted here: an open transaction elsewhere, which keeps dead
-- rows from being vacuumed, must not make looking slower. A look that finds nothing writes nothing.
-- Transactions stay whole and are ordered by their last staged id: if B changes a row after A committed a change of
-- it, all of A was staged before B's last; ordering by first id or xid can turn two changes of one row around.
-- Returns the first `most` of the new events, in order, up to the one with which they have a mebibyte, each with the batch's
-- last position; no row if nothing is new. One from before there was a limit that is larger than an event may be has no data.
-- Called by: feed.sequence_changes(), feed.sequence_events(), src/sequencer/pass.ts.
CREATE OR REPLACE FUNCTION feed.sequence_staged(most integer)
RETURNS TABLE (
  "position" bigint, topic text, type text, subject text, "time" text, origin text, actor text, transaction text,
  requestid text, data text, previous text, entity text, last_position bigint
)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off -- whatever the statistics say, only the new end of staged may be read
AS $$
  WITH last AS MATERIALIZED (
    SELECT b.last_position, b.snapshot
    FROM (SELECT last_position, snapshot FROM feed.event_batches ORDER BY id DESC LIMIT 1) AS b
    WHERE current_setting('transaction_isolation') = 'read committed' AND pg_current_xact_id_if_assigned() IS NULL
      AND pg_try_advisory_xact_lock(feed.lock_key('leader'))
  ), fresh AS MATERIALIZED (
    SELECT s.*
    FROM last
    CROSS JOIN LATERAL (SELECT * FROM feed.staged WHERE xid >= pg_snapshot_xmax(last.snapshot)) AS s
    UNION ALL
    SELECT s.*
    FROM last
    CROSS JOIN LATERAL pg_snapshot_xip(last.snapshot) AS pending (xid)
    CROSS JOIN LATERAL (SELECT * FROM feed.staged WHERE xid = pending.xid OFFSET 0) AS s -- never a join that reads all
  ), ranked AS (
    SELECT *, max(id) OVER (PARTITION BY xid) AS last_id
    FROM fresh
  ), numbered AS (
    INSERT INTO feed.events AS e (
      "position", staged_id, topic, type, subject, "time", origin, actor, transaction, requestid, data, previous, entity, bytes)
    SELECT
      last.last_position + row_number() OVER (ORDER BY r.last_id, r.id),
      r.id, r.topic, r.type, r.subject, r."time", r.origin, r.actor, r.xid, r.requestid, r.data, r.previous, r.entity,
      coalesce(r.bytes, octet_length(r.data::text) + coalesce(octet_length(r.previous::text), 0))
    FROM ranked AS r
    CROSS JOIN last
    RETURNING e.*
  ), batch AS (
    INSERT INTO feed.event_batches AS b (last_position, snapshot, at)
    SELECT max(n."position"), pg_current_snapshot(), clock_timestamp()
    FROM numbered AS n
    HAVING count(*) > 0
    RETURNING b.last_position
  ), told AS MATERIALIZED (
    SELECT batch.last_position, pg_notify(
      feed.channel('events'),
      json_build_object('first', last.last_position + 1, 'last', batch.last_position)::text)
    FROM batch
    CROSS JOIN last
  )
  SELECT
    n."position", n.topic, n.type, n.subject, feed.rfc3339(n."time"), n.origin, n.actor::text, n.transaction::text, n.requestid,
    CASE WHEN n.bytes <= feed.most_bytes() THEN n.data::text END,
    CASE WHEN n.bytes <= feed.most_bytes() THEN n.previous::text END,
    n.entity, told.last_position
  FROM (
    SELECT *, sum(CASE WHEN e.bytes <= feed.most_bytes() THEN e.bytes END)
      OVER (ORDER BY e."position" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
    FROM (SELECT * FROM numbered ORDER BY "position" LIMIT most) AS e
  ) AS n
  CROSS JOIN told
  WHERE coalesce(n.bytes_before, 0) < 1048576
  ORDER BY n."position"
$$;
COMMENT ON FUNCTION feed.sequence_staged(integer) IS 'Numbers what has committed; returns the first of the new events.';
