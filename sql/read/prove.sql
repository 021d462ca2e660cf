-- Shows from the log's own trace that it is the log it promises to be, for the positions in (after, through]; one row per
-- fault, none if all is well. Called by `npm run verify -- --proof`, a piece at a time, and by people on their own data: each call
-- is one statement, so one snapshot, and writers and the leader go on meanwhile. Where feed.verify() holds the log against
-- the tables, this holds it against the snapshots that stand with its batches:
-- - positions are dense;
-- - a batch holds what its snapshot sees and the one before does not, and a snapshot sees all that the one before saw. So
--   a transaction stands in one batch, and nothing fell between two;
-- - within a batch transactions are whole and ordered by their last staged id, and within a transaction staged ids ascend;
-- - versions ascend by one per entity of a versioned topic, also against its last event before the range; a deletion keeps
--   the version that it deletes;
-- - if `through` reaches the head, no staged change was passed over, see feed.passed_over().
-- A batch is judged as a whole, by the call in whose range it ends: its faults may lie before `after`.
-- What cannot be judged, because its transaction ids may be of another cluster:
-- - before feed.log.first_position anything but density and versions;
-- - by its snapshots, the batch that holds first_position. feed.new_log() may have made it of what another cluster had staged, under
--   a fresh snapshot of this one, and nothing tells that from a batch of a leader. Its order is judged: new_log() has the same;
-- - the first batch that is kept, where the batches before it are not: it may be the one of new_log(), and which of the
--   events before its last are its own is not known.
-- The log may begin above 1: what is missing before its first event was taken away, or never was.
-- Nothing is sorted but the transactions of one batch, and each event looks for the one before it of its entity in the
-- index: memory is that of the largest batch. Plans are held to that, whatever the statistics say: a hash table
-- is made as large as they say, once for each batch.
-- Called by: src/commands/prove_log.ts, operators.
CREATE OR REPLACE FUNCTION feed.prove(after bigint, through bigint) RETURNS TABLE ("position" bigint, fault text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashagg = off
SET jit = off
AS $$
  WITH log AS MATERIALIZED (
    SELECT log.first_position, coalesce(ends.head, 0) AS head,
      greatest(after + 1, ends.begins, 1) AS "from", least(through, coalesce(ends.head, 0)) AS "to"
    FROM feed.log
    CROSS JOIN (
      SELECT
        (SELECT e."position" FROM feed.events AS e ORDER BY e."position" LIMIT 1) AS begins,
        (SELECT b.last_position FROM feed.event_batches AS b ORDER BY b.id DESC LIMIT 1) AS head
    ) AS ends
  ), batches AS NOT MATERIALIZED ( -- those that end in the range, and the one before them, which has no `before` itself
    SELECT b.last_position, b.snapshot, lag(b.last_position) OVER w AS before, lag(b.snapshot) OVER w AS snapshot_before,
      (SELECT log.first_position FROM log) AS first_position
    FROM feed.event_batches AS b
    WHERE b.id >= coalesce((
        SELECT f.id FROM feed.event_batches AS f WHERE f.last_position <= after ORDER BY f.last_position DESC, f.id DESC LIMIT 1
      ), 0)
      AND b.id <= (
        SELECT l.id FROM feed.event_batches AS l WHERE l.last_position <= through ORDER BY l.last_position DESC, l.id DESC LIMIT 1
      )
    WINDOW w AS (ORDER BY b.id)
  ), missing ("from", "to") AS (
    SELECT step.before + 1, step."position" - 1
    FROM log
    CROSS JOIN LATERAL (
      SELECT e."position", lag(e."position", 1, log."from" - 1) OVER (ORDER BY e."position") AS before
      FROM feed.events AS e
      WHERE e."position" BETWEEN log."from" AND log."to"
    ) AS step
    WHERE step."position" <> step.before + 1
    UNION ALL
    SELECT last."position" + 1, log."to"
    FROM log
    CROSS JOIN LATERAL (
      SELECT coalesce(max(e."position"), log."from" - 1) AS "position"
      FROM feed.events AS e
      WHERE e."position" BETWEEN log."from" AND log."to"
    ) AS last
    WHERE last."position" < log."to"
  ), transactions AS (
    SELECT t.*, b.last_position,
      b.before >= b.first_position AND NOT pg_visible_in_snapshot(t.transaction, b.snapshot) AS is_unseen,
      b.before >= b.first_position AND pg_visible_in_snapshot(t.transaction, b.snapshot_before) AS is_late
    FROM batches AS b
    CROSS JOIN LATERAL (
      SELECT whole.*, pieces = 1 AND lag(whole.last_id) OVER (PARTITION BY pieces = 1 ORDER BY whole.first) > last_id AS is_before
      FROM (
        SELECT s.transaction, min(s."position") AS first, max(s.staged_id) AS last_id,
          count(*) FILTER (WHERE NOT s.goes_on) AS pieces, min(s."position") FILTER (WHERE s.goes_on AND s.descends) AS descent
        FROM (
          SELECT e."position", e.transaction, e.staged_id,
            lag(e.transaction) OVER w IS NOT DISTINCT FROM e.transaction AS goes_on,
            lag(e.staged_id) OVER w > e.staged_id AS descends
          FROM feed.events AS e
          WHERE e."position" > b.before AND e."position" <= b.last_position
          WINDOW w AS (ORDER BY e."position")
        ) AS s
        GROUP BY s.transaction
      ) AS whole
    ) AS t
    WHERE b.before >= b.first_position - 1
  ), versions AS (
    SELECT e."position", e.topic, e.subject, e.type, (e.data ->> 'version')::bigint AS version, known.version AS before
    FROM feed.events AS e
    JOIN feed.topics AS w ON w.topic = e.topic AND w.versioned
    CROSS JOIN LATERAL (
      SELECT (p.data ->> 'version')::bigint AS version
      FROM feed.events AS p
      WHERE p.subject = e.subject AND p."position" < e."position" AND p.topic = e.topic
      ORDER BY p."position" DESC
      LIMIT 1
    ) AS known
    WHERE e."position" > after AND e."position" <= through
  )
  SELECT m."from", format(CASE WHEN m."from" = m."to" THEN 'position %s is missing' ELSE 'positions %s to %s are missing' END, m."from", m."to")
  FROM missing AS m
  UNION ALL
  SELECT min(e."position"), format('positions %s to %s stand in no batch', min(e."position"), max(e."position"))
  FROM feed.events AS e
  WHERE e."position" > (SELECT greatest(log.head, after) FROM log) AND e."position" <= through
  HAVING count(*) > 0
  UNION ALL
  SELECT b.last_position, format('the snapshot of the batch that ends at %s does not see all that the one before it saw', b.last_position)
  FROM batches AS b
  WHERE b.before >= b.first_position AND (
    pg_snapshot_xmax(b.snapshot) < pg_snapshot_xmax(b.snapshot_before)
    OR EXISTS (SELECT FROM pg_snapshot_xip(b.snapshot) AS open (xid) WHERE pg_visible_in_snapshot(open.xid, b.snapshot_before)))
  UNION ALL
  SELECT coalesce(f."position", t.first), f.fault
  FROM transactions AS t
  CROSS JOIN LATERAL (
    SELECT NULL::bigint, format('transaction %s is not seen by the snapshot of its batch, which ends at %s', t.transaction, t.last_position)
    WHERE t.is_unseen
    UNION ALL
    SELECT NULL, format('transaction %s is of an earlier batch: the snapshot before that of its batch, which ends at %s, sees it', t.transaction, t.last_position)
    WHERE t.is_late
    UNION ALL
    SELECT NULL, format('transaction %s stands in %s pieces in the batch that ends at %s', t.transaction, t.pieces, t.last_position)
    WHERE t.pieces > 1
    UNION ALL
    SELECT t.descent, format('transaction %s goes on with what it had staged before', t.transaction)
    WHERE t.descent IS NOT NULL
    UNION ALL
    SELECT NULL, format('transaction %s comes after one that staged its last change later', t.transaction)
    WHERE t.is_before
  ) AS f ("position", fault)
  WHERE t.is_unseen OR t.is_late OR t.pieces > 1 OR t.descent IS NOT NULL OR t.is_before
  UNION ALL
  SELECT v."position", format('version %s of %s %s follows version %s', v.version, v.topic, v.subject, v.before)
  FROM versions AS v
  WHERE CASE WHEN v.type LIKE '%\_deleted' THEN v.version <> v.before ELSE v.version <> v.before + 1 END
  UNION ALL
  SELECT NULL, format('%s %s: %s', p.topic, p.subject, p.fault)
  FROM feed.passed_over() AS p
  WHERE through >= (SELECT log.head FROM log)
$$;
COMMENT ON FUNCTION feed.prove(bigint, bigint) IS
  'What in the log''s own trace speaks against it, for the positions in (after, through]; no row if nothing does.';
