-- Holds the log against itself and against the tables it tells of; one row per fault, none if all is well. Called
-- by `npm run verify`. One statement, so one snapshot: changes that have committed but have no position yet are
-- taken from staged, and writers need not stop.
-- A transaction is looked for in pieces only since the log began under its present id: before, another cluster may have
-- given the same transaction ids.
-- Of a topic with a status column the log promises the status alone.
CREATE OR REPLACE FUNCTION feed.verify() RETURNS TABLE (topic text, subject text, fault text)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  rows_now text;
BEGIN
  SELECT string_agg(
    format(
      'SELECT %L AS topic, feed.render(t) ->> %L AS subject, feed.render(t) ->> %L AS status, feed.render(t)::text AS data FROM ONLY %s AS t',
      w.topic, w.key_column, w.status_column, w.relation),
    ' UNION ALL ')
  INTO rows_now
  FROM feed.topics AS w;

  RETURN QUERY EXECUTE format($query$
    WITH log AS (
      SELECT e.topic, e.type, e.subject, e.data, e.position, 0::bigint AS last_id, 0::bigint AS id FROM feed.events AS e
      UNION ALL
      SELECT s.topic, s.type, s.subject, s.data, NULL, max(s.id) OVER (PARTITION BY s.xid), s.id
      FROM feed.staged AS s
      WHERE NOT EXISTS (SELECT FROM feed.events AS e WHERE e.staged_id = s.id)
    ), folded AS (
      SELECT DISTINCT ON (l.topic, l.subject) l.*
      FROM log AS l
      ORDER BY l.topic, l.subject, l.position DESC NULLS FIRST, l.last_id DESC, l.id DESC
    ), alive AS (
      SELECT f.topic, f.subject, f.data, f.data ->> w.status_column AS status
      FROM folded AS f
      JOIN feed.topics AS w ON w.topic = f.topic
      WHERE f.type <> w.entity || '_deleted'
    ), steps AS (
      SELECT e.position, e.position - lag(e.position) OVER w AS step,
        e.transaction = lag(e.transaction) OVER w AS same, e.transaction
      FROM feed.events AS e
      WINDOW w AS (ORDER BY e.position)
    ), versions AS (
      SELECT e.topic, e.subject, e.position, e.type,
        (e.data ->> 'version')::bigint AS version,
        lag((e.data ->> 'version')::bigint) OVER (PARTITION BY e.topic, e.subject ORDER BY e.position) AS before
      FROM feed.events AS e
    )
    SELECT coalesce(a.topic, r.topic), coalesce(a.subject, r.subject),
      CASE
        WHEN a.subject IS NULL THEN 'in the table, but not in the log'
        WHEN r.subject IS NULL THEN 'in the log, but not in the table'
        ELSE 'the table says ' || r.data || ', the log says ' || a.data
      END
    FROM alive AS a
    FULL JOIN (%s) AS r ON r.topic = a.topic AND r.subject = a.subject
    WHERE CASE WHEN r.status IS NULL THEN r.data IS DISTINCT FROM a.data::text ELSE r.status IS DISTINCT FROM a.status END
    UNION ALL
    SELECT NULL, NULL, format('position %%s follows %%s', position, position - step) FROM steps WHERE step <> 1
    UNION ALL
    SELECT NULL, NULL, format('transaction %%s stands in the log in %%s pieces', transaction, count(*))
    FROM steps, feed.log WHERE same IS NOT TRUE AND position >= log.first_position GROUP BY transaction HAVING count(*) > 1
    UNION ALL
    SELECT v.topic, v.subject, format('version %%s at position %%s follows version %%s', version, position, before)
    FROM versions AS v
    WHERE CASE WHEN v.type LIKE '%%\_deleted' THEN version <> before ELSE version <> before + 1 END
    UNION ALL
    SELECT NULL, NULL, format('the last batch ends at %%s, the log at %%s', b.last, e.last)
    FROM (SELECT max(last_position) AS last FROM feed.event_batches) AS b,
      (SELECT coalesce(max(position), 0) AS last FROM feed.events) AS e
    WHERE b.last <> e.last
  $query$, rows_now);
END
$$;
COMMENT ON FUNCTION feed.verify() IS 'Every difference between the log, folded, and the tables; no row if there is none.';
