-- A page of a topic's entities as they were at a position, in the order of their key, after one of them or from the
-- start; of some subjects only, where they are given. Called page by page by whoever needs the whole state at one moment, while others write: all pages together
-- are the log folded up to that position, each entity once.
-- One snapshot sees table, log and staged alike. What has changed since the position is taken from its last event by
-- then, also if the row is gone; everything else is as its row is.
-- VOLATILE, and the table locked before that snapshot is taken: TRUNCATE empties a table for older snapshots, too, so a
-- reader that waited for one would find neither the rows nor their deletions. The caller must be READ COMMITTED.
-- Of a topic with a status column the log promises the status alone: the row may be further in other columns.
-- The key compares as its primary key's index does, by that operator and collation, whatever its type: what is asked
-- for after the last key of a page must be what follows it.
-- With the rights of its owner: whoever may read the log may read this, and it says no more than the log.
CREATE OR REPLACE FUNCTION feed.snapshot_page(topic text, at bigint, after_subject text, most integer, subjects text[] DEFAULT NULL)
RETURNS TABLE (subject text, document text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off -- whatever the statistics say: the table by its key, the log by its indexes
SET work_mem = '256MB' -- a bound, not a use: what has changed must be looked up by hash, however much of it is expected
AS $$
DECLARE
  watched feed.topics;
  key_type text;
  collated text;
  greater text;
  is_wanted text;
BEGIN
  SELECT w.* INTO watched FROM feed.topics AS w WHERE w.topic = snapshot_page.topic;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no topic %', topic USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = watched.relation) THEN
    RETURN; -- its table was dropped
  END IF;

  SELECT format_type(a.atttypid, a.atttypmod), coalesce(' COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(c.collname), ''),
    format('OPERATOR(%I.%s)', of_operator.nspname, o.oprname)
  INTO STRICT key_type, collated, greater
  FROM pg_index AS i
  JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  JOIN pg_opclass AS class ON class.oid = i.indclass[0]
  JOIN pg_amop AS amop ON amop.amopfamily = class.opcfamily AND amop.amopstrategy = 5
    AND amop.amoplefttype = class.opcintype AND amop.amoprighttype = class.opcintype
  JOIN pg_operator AS o ON o.oid = amop.amopopr
  JOIN pg_namespace AS of_operator ON of_operator.oid = o.oprnamespace
  LEFT JOIN pg_collation AS c ON c.oid = i.indcollation[0]
  LEFT JOIN pg_namespace AS n ON n.oid = c.collnamespace
  WHERE i.indrelid = watched.relation AND i.indisprimary;

  is_wanted := CASE WHEN subjects IS NULL THEN 'true' ELSE format(
    't.%1$I = ANY (ARRAY(SELECT s::%2$s FROM unnest($5) AS s WHERE pg_input_is_valid(s, %2$L)))',
    watched.key_column, key_type) END;
  EXECUTE format('LOCK TABLE ONLY %s IN ACCESS SHARE MODE', watched.relation);
  RETURN QUERY EXECUTE format($query$
    WITH changed AS MATERIALIZED (
      SELECT e.subject FROM feed.events AS e WHERE e.position > $2 AND e.topic = $1
      UNION
      SELECT u.subject FROM feed.unnumbered($1) AS u
    ), unchanged AS (
      SELECT t.%1$I%3$s AS key, rendered.document ->> %5$L AS subject, rendered.document::text AS document
      FROM ONLY %6$s AS t
      CROSS JOIN LATERAL (SELECT feed.render(t) AS document OFFSET 0) AS rendered
      WHERE ($3 IS NULL OR t.%1$I %4$s $3::%2$s%3$s)
        AND %8$s
        AND rendered.document ->> %5$L NOT IN (SELECT changed.subject FROM changed)
      ORDER BY 1
      LIMIT $4
    ), before_it_changed AS (
      SELECT following.key, following.subject, past.data::text AS document
      FROM (
        SELECT changed.subject::%2$s%3$s AS key, changed.subject
        FROM changed
        WHERE ($3 IS NULL OR changed.subject::%2$s %4$s $3::%2$s%3$s)
          AND ($5 IS NULL OR changed.subject = ANY ($5))
        ORDER BY 1 -- before the log is asked, so that it is asked for one page only
      ) AS following
      CROSS JOIN LATERAL (
        SELECT e.type, e.data
        FROM feed.events AS e
        WHERE e.subject = following.subject AND e.topic = $1 AND e.position <= $2
        ORDER BY e.position DESC
        LIMIT 1
      ) AS past
      WHERE past.type <> %7$L
      ORDER BY 1
      LIMIT $4
    )
    SELECT page.subject, page.document
    FROM (SELECT * FROM unchanged UNION ALL SELECT * FROM before_it_changed) AS page
    ORDER BY page.key
    LIMIT $4
  $query$, watched.key_column, key_type, collated, greater, watched.key_column, watched.relation, watched.entity || '_deleted', is_wanted)
  USING topic, at, after_subject, most, subjects;
END
$$;
COMMENT ON FUNCTION feed.snapshot_page(text, bigint, text, integer, text[]) IS
  'Entities of a topic as of a position at or below the head, in the order of their key.';
