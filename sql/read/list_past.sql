-- The entities of a topic that were there at a position, newest created_at first, that come after the one with these
-- keys (NULL: from the start), at most `most`. Called by the API for a list as of a moment.
-- What was there then is in the table still, or was deleted since: both are walked downwards in the order of created_at, by
-- index, from when the position was given: nothing is created in the future, and by a clock that was set back since, by up to
-- ten minutes, an earlier position was given later. What each was then feed.snapshot_page() tells, the one way to tell the past; so it does not matter how far
-- back the log goes below the position. An entity that came back under another created_at stands where it stood then.
-- After 1,000 of either the page stops, and the last row has no document and only tells how far it came: where almost nothing
-- that is met was there then a page is short, not slow.
-- Called by: src/queries/history.ts.
CREATE OR REPLACE FUNCTION feed.list_past(of_topic text, at bigint, after_created_at text, after_subject text, most integer)
RETURNS TABLE (subject text, created_at text, document text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off -- whatever the statistics say
SET enable_bitmapscan = off
SET max_parallel_workers_per_gather = 0
SET jit = off
AS $$
DECLARE
  looked_through CONSTANT integer := 1000;
  watched CONSTANT feed.topics := (SELECT w FROM feed.topics AS w WHERE w.topic = of_topic);
  newest CONSTANT text := coalesce(after_created_at, (
    SELECT feed.rfc3339(greatest(given.at, (
      SELECT max(b.at)
      FROM feed.event_batches AS b
      WHERE b.at > given.at AND b.at <= given.at + interval '10 minutes' AND b.last_position <= list_past.at)))
    FROM (
      SELECT b.at FROM feed.event_batches AS b WHERE b.last_position >= list_past.at ORDER BY b.last_position LIMIT 1
    ) AS given));
  subjects text[];
  times text[];
  is_cut boolean;
  returned integer := 0;
  found integer;
BEGIN
  EXECUTE format($query$
    WITH present AS MATERIALIZED (
      SELECT r.%1$I::text AS subject, feed.rfc3339(r.created_at) AS created_at
      FROM ONLY %2$s AS r
      WHERE r.created_at <= $3::timestamptz AND ($4 IS NULL OR (r.created_at, r.%1$I) < ($3::timestamptz, $4::%3$s))
      ORDER BY r.created_at DESC, r.%1$I DESC
      LIMIT $5
    ), gone AS MATERIALIZED (
      SELECT e.subject, left(e.data ->> 'created_at', 27) AS created_at
      FROM feed.events AS e
      WHERE e.topic = $1 AND e.type LIKE '%%\_deleted' AND e."position" > $2
        AND (left(e.data ->> 'created_at', 27) COLLATE "C", e.subject COLLATE "C") < ($3, coalesce($4, ''))
      ORDER BY left(e.data ->> 'created_at', 27) COLLATE "C" DESC, e.subject COLLATE "C" DESC
      LIMIT $5
    ), fresh AS MATERIALIZED (
      SELECT s.subject, left(s.data ->> 'created_at', 27) AS created_at
      FROM feed.unnumbered($1) AS u
      JOIN feed.staged AS s ON s.xid = u.xid AND s.id = u.id
      WHERE s.type LIKE '%%\_deleted' AND (left(s.data ->> 'created_at', 27) COLLATE "C", s.subject COLLATE "C") < ($3, coalesce($4, ''))
      ORDER BY left(s.data ->> 'created_at', 27) COLLATE "C" DESC, s.subject COLLATE "C" DESC
      LIMIT $5
    ), stop AS MATERIALIZED ( -- of what comes after it not all is known
      SELECT cut.created_at, cut.subject
      FROM (
        (SELECT * FROM present OFFSET $5 - 1) UNION ALL (SELECT * FROM gone OFFSET $5 - 1) UNION ALL (SELECT * FROM fresh OFFSET $5 - 1)
      ) AS cut
      ORDER BY cut.created_at COLLATE "C" DESC, cut.subject COLLATE "C" DESC
      LIMIT 1
    ), met AS (
      SELECT * FROM present UNION SELECT * FROM gone UNION SELECT * FROM fresh
    )
    SELECT array_agg(m.subject ORDER BY m.created_at COLLATE "C" DESC, m.subject COLLATE "C" DESC),
      array_agg(m.created_at ORDER BY m.created_at COLLATE "C" DESC, m.subject COLLATE "C" DESC), EXISTS (SELECT FROM stop)
    FROM met AS m
    WHERE NOT EXISTS (
      SELECT FROM stop WHERE (m.created_at COLLATE "C", m.subject COLLATE "C") < (stop.created_at, stop.subject))
  $query$, watched.key_column, watched.relation, (SELECT k.type::regtype FROM feed.key_of(watched.relation) AS k WHERE k.name = watched.key_column))
  INTO subjects, times, is_cut
  USING of_topic, at, newest, after_subject, looked_through;

  FOR at_number IN 1 .. coalesce(cardinality(subjects), 0) BY greatest(most, 100) LOOP
    RETURN QUERY
    SELECT met.subject, met.created_at, past.document
    FROM unnest(subjects[at_number : at_number + greatest(most, 100) - 1], times[at_number : at_number + greatest(most, 100) - 1]) WITH ORDINALITY AS met (subject, created_at, number)
    JOIN feed.snapshot_page(of_topic, at, NULL, greatest(most, 100) + 1, subjects[at_number : at_number + greatest(most, 100) - 1]) AS past ON past.subject = met.subject
    WHERE past.document::json ->> 'created_at' = met.created_at
    ORDER BY met.number
    LIMIT most - returned;
    GET DIAGNOSTICS found = ROW_COUNT;
    returned := returned + found;
    IF returned = most THEN
      RETURN;
    END IF;
  END LOOP;
  IF at < (SELECT log.floor FROM feed.log) THEN -- as in feed.snapshot_page()
    RAISE EXCEPTION 'what follows position % is no longer kept', at USING ERRCODE = 'invalid_parameter_value', CONSTRAINT = 'below_floor';
  END IF;
  IF is_cut THEN
    RETURN QUERY SELECT subjects[cardinality(subjects)], times[cardinality(times)], NULL::text;
  END IF;
END
$$;
COMMENT ON FUNCTION feed.list_past(text, bigint, text, text, integer) IS
  'A page of the entities of a topic as of a position, newest first; ends without a document if it may go on.';
