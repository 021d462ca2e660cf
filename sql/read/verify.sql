-- Holds the log against itself and against the tables it tells of; one row per fault, none if all is well. Called
-- by `npm run verify`. One statement, so one snapshot: changes that have committed but have no position yet are
-- taken from staged, and writers need not stop. VOLATILE, so that the snapshot is taken once the tables are locked: TRUNCATE
-- empties a table for older snapshots, too, and a look that waited for one would find neither the rows nor their
-- deletions. The caller must be READ COMMITTED.
-- A transaction is looked for in pieces only since the log began, at its first_position: before, another cluster may have
-- given the same transaction ids.
-- A row and what was last told of it are compared value by value, and those as JSON: an event keeps the bytes that it was
-- written with, and versions before this one put white space between the parts.
-- Of a topic with a status column the log promises the status alone, and of a column that came or went later nothing
-- until the row changes: that was no change of a row. A topic whose table was dropped has none to compare.
-- From the floor on: a row that has not changed since is in no event any more. Whether it has, its updated_at says where the
-- service keeps one; of tables that have none the log says nothing about such a row.
-- What goes unheard from now on is told, too: a table that lost its primary key, or one of its triggers; and who may do
-- what he should not, see feed.drift().
-- With the rights of its owner, as feed.snapshot_page(): the tables that people watch need not be readable by the caller.
-- Called by: src/commands/verify.ts, operators.
CREATE OR REPLACE FUNCTION feed.verify() RETURNS TABLE (topic text, subject text, fault text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET constraint_exclusion = off -- as in feed.snapshot_page(), also what is foreign
SET row_security = off -- what a policy would hide cannot be told, and its function would run with our rights: it raises
AS $$
DECLARE
  rows_now text;
BEGIN
  IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
    RAISE EXCEPTION 'feed.verify() needs READ COMMITTED: an older snapshot may not see what a TRUNCATE has just told'
      USING ERRCODE = 'feature_not_supported', HINT = 'SET default_transaction_isolation = ''read committed'' first.';
  END IF;
  SELECT string_agg(
    format(
      'SELECT %L AS topic, feed.render("00 row") ->> %L AS subject, feed.render("00 row") ->> %L AS status, feed.render("00 row")::text AS data, %L::boolean AS versioned FROM ONLY %s AS "00 row"',
      w.topic, w.key_column, w.status_column, w.versioned, w.relation),
    ' UNION ALL ')
  INTO rows_now
  FROM feed.topics AS w
  JOIN pg_class AS c ON c.oid = w.relation
  WHERE feed.foreign_code(w.relation) IS NULL; -- below it says so

  RETURN QUERY EXECUTE format($query$
    WITH alive AS (
      SELECT f.topic, f.subject, f.data, f.data ->> w.status_column AS status
      FROM feed.fold(NULL) AS f
      JOIN feed.topics AS w ON w.topic = f.topic
      WHERE f.type <> w.entity || '_deleted' AND EXISTS (SELECT FROM pg_class AS c WHERE c.oid = w.relation)
        AND feed.foreign_code(w.relation) IS NULL
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
      JOIN feed.topics AS w ON w.topic = e.topic AND w.versioned
    )
    SELECT coalesce(a.topic, r.topic), coalesce(a.subject, r.subject),
      CASE
        WHEN a.subject IS NULL THEN 'in the table, but not in the log'
        WHEN r.subject IS NULL THEN 'in the log, but not in the table'
        ELSE 'the table says ' || r.data || ', the log says ' || a.data
      END
    FROM alive AS a
    FULL JOIN (%s) AS r ON r.topic = a.topic AND r.subject = a.subject
    CROSS JOIN (
      SELECT min(b.at) AS at FROM feed.event_batches AS b, feed.log WHERE log.floor > 0 AND b.last_position >= log.floor
    ) AS floor
    WHERE CASE
      WHEN a.subject IS NULL AND floor.at IS NOT NULL AND NOT coalesce(
        r.versioned AND (r.data::json ->> 'updated_at')::timestamptz > floor.at, false) THEN false
      WHEN r.status IS NOT NULL THEN r.status IS DISTINCT FROM a.status
      WHEN a.subject IS NULL OR r.subject IS NULL THEN true
      WHEN r.data = a.data::text THEN false
      ELSE EXISTS (
        SELECT FROM json_each(r.data::json) AS n JOIN json_each(a.data) AS o USING (key)
        WHERE CASE
          WHEN n.value::text = o.value::text THEN false
          -- A number in quotes is the number: bigint was told without them before, also inside of arrays and rows.
          ELSE regexp_replace(feed.compact_json(n.value)::text, '"(-?[0-9]+)"', '\1', 'g')
            <> regexp_replace(feed.compact_json(o.value)::text, '"(-?[0-9]+)"', '\1', 'g')
        END)
    END
    UNION ALL
    SELECT NULL, NULL, format('position %%s follows %%s', position, position - step) FROM steps WHERE step <> 1
    UNION ALL
    SELECT NULL, NULL, format('the log begins at %%s, and its floor is %%s', e.first, log.floor)
    FROM feed.log, (SELECT min(position) AS first FROM feed.events) AS e
    WHERE e.first > log.floor + 1
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
      (SELECT greatest((SELECT max(position) FROM feed.events), log.floor) AS last FROM feed.log) AS e
    WHERE b.last <> e.last
    UNION ALL
    SELECT p.topic, p.subject, p.fault FROM feed.passed_over() AS p
    UNION ALL
    SELECT w.topic, NULL, format('%%s cannot be told in full any more: %%s', c.oid::regclass, fault)
    FROM feed.topics AS w
    JOIN pg_class AS c ON c.oid = w.relation
    CROSS JOIN LATERAL feed.unwatchable(w.relation, w.key_column) AS fault
    WHERE fault IS NOT NULL
    UNION ALL
    SELECT d.topic, NULL, d.fault FROM feed.drift() AS d
    UNION ALL
    SELECT e.topic, e.subject, format('position %%s is told without its data: it has %%s bytes, and an event at most %%s',
      e.position, e.bytes, feed.most_bytes())
    FROM (
      SELECT topic, subject, position, coalesce(bytes, octet_length(data::text) + coalesce(octet_length(previous::text), 0)) AS bytes
      FROM feed.events
    ) AS e
    WHERE e.bytes > feed.most_bytes()
  $query$, rows_now);
END
$$;
COMMENT ON FUNCTION feed.verify() IS 'Every difference between the log, folded, and the tables; no row if there is none.';
