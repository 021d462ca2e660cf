-- A page of a topic's entities as they were at a position, in the order of their key, after one of them or from the
-- start; of some subjects only, where they are given, which compare as the log spells them. Called page by page by
-- a caller that needs the whole state at one moment, while others write: all pages together are the log folded up to that
-- position, each entity once.
-- At most `most` rows. A page may be short: then its last row has no document and only tells how far it came. One that
-- has fewer rows than `most`, and no such row, is the last.
-- It walks the next rows of the table, and the entities that are gone and had a key among theirs. What has changed since is taken
-- from its last event at or below the position, everything else is as its row is, and all is found by index: a page
-- costs what it holds, whatever happened since. Gone are those deleted since; where these are too many to look through
-- for each page, the log's deletions are walked by their key instead, so many at a time. That needs a key whose order is
-- its text's, such as a uuid; of others a page costs what was deleted since. And it costs what is not numbered yet,
-- which is little while a leader numbers.
-- What has changed since and has no event at or below the position is as its first later change found it: not there if
-- that created it. So nothing vanishes when that event is no longer kept. A position that later events than it are no
-- longer kept of is refused.
-- One snapshot sees table, log and staged alike. VOLATILE, and the table locked before that snapshot is taken: TRUNCATE
-- empties a table for older snapshots, too, so a reader that waited for one would find neither the rows nor their
-- deletions. The caller must be READ COMMITTED.
-- Of a topic with a status column the log promises the status alone: the row may be further in other columns.
-- The key compares as its primary key's index does, by that operator and collation, whatever its type: what is asked
-- for after the last key of a page must be what follows it. An entity's events are found by comparing (subject,
-- position) as a pair, for which there is one index only: whatever the statistics say, the log is not walked for it.
-- With the rights of its owner: a role that may read the log may read this, and it says no more than the log. So nothing is
-- run that the table's owner wrote: what is asked at each call, for the table may have changed since it was watched. A
-- key that is of a domain is cast to what the domain is made of, never to the domain, whose CHECKs are its owner's.
-- Called by: feed.list_past(), src/queries/history.ts, src/queries/log.ts, operators.
CREATE OR REPLACE FUNCTION feed.snapshot_page(topic text, at bigint, after_subject text, most integer, subjects text[] DEFAULT NULL)
RETURNS TABLE (subject text, document text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET row_security = off -- as in feed.capture_truncate()
SET enable_seqscan = off -- whatever the statistics say: the table by its key, the log by its indexes
SET enable_bitmapscan = off
SET enable_sort = off -- but for the little that has to be
SET max_parallel_workers_per_gather = 0
SET jit = off
SET constraint_exclusion = off -- the planner would compute what is constant in the table's CHECKs
SET quote_all_identifiers = off
SET lc_monetary = 'C' -- as the log spells keys
AS $$
DECLARE
  looked_through CONSTANT integer := 2000; -- of the log's deletions, and of what is not numbered, for one page
  watched feed.topics;
  key_type text;
  foreign_code regprocedure;
  collated text;
  greater text;
  is_ordered_as_text boolean;
  gone text;
  is_wanted text := 'true';
BEGIN
  SELECT w.* INTO watched FROM feed.topics AS w WHERE w.topic = snapshot_page.topic;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no topic %', topic USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF at < (SELECT log.floor FROM feed.log) THEN
    RAISE EXCEPTION 'what follows position % is no longer kept', at USING ERRCODE = 'invalid_parameter_value', CONSTRAINT = 'below_floor';
  END IF;
  IF NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = watched.relation) THEN
    RETURN; -- its table was dropped
  END IF;

  EXECUTE format('LOCK TABLE ONLY %s IN ACCESS SHARE MODE', watched.relation);
  foreign_code := feed.foreign_code(watched.relation);
  IF foreign_code IS NOT NULL THEN
    RAISE insufficient_privilege USING
      MESSAGE = format('%s is not read: its indexes or statistics use %s, which is of a foreign owner', watched.relation, foreign_code);
  END IF;
  -- Without a length: a key has it already, and "character" alone means one.
  SELECT format_type(key.oid, -1), coalesce(' COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(c.collname), ''),
    format('OPERATOR(%I.%s)', of_operator.nspname, o.oprname),
    key.oid = 'uuid'::regtype OR key.oid IN ('text'::regtype, 'varchar'::regtype) AND c.collname = 'C'
  INTO key_type, collated, greater, is_ordered_as_text
  FROM feed.key_of(watched.relation) AS k
  JOIN pg_type AS key ON key.oid = feed.base_type(k.type) AND (key.oid < 16384 OR key.typtype IN ('b', 'e'))
  JOIN pg_opclass AS class ON class.oid = k.operators
  JOIN pg_amop AS amop ON amop.amopfamily = class.opcfamily AND amop.amopstrategy = 5
    AND amop.amoplefttype = class.opcintype AND amop.amoprighttype = class.opcintype
  JOIN pg_operator AS o ON o.oid = amop.amopopr
  JOIN pg_namespace AS of_operator ON of_operator.oid = o.oprnamespace
  LEFT JOIN pg_collation AS c ON c.oid = k."collation"
  LEFT JOIN pg_namespace AS n ON n.oid = c.collnamespace
  WHERE k.name = watched.key_column;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the primary key of % is not the column % any more, or of a type that runs code of its owner', watched.relation, quote_ident(watched.key_column)
      USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;

  IF subjects IS NOT NULL THEN
    is_wanted := format(
      '"00 row".%1$I = ANY (ARRAY(SELECT s::%2$s FROM unnest($5) AS s WHERE pg_input_is_valid(s, %2$L))) AND rendered.document ->> %1$L = ANY ($5)',
      watched.key_column, key_type);
    gone := format('SELECT s AS subject, false AS is_last FROM unnest($5) AS s WHERE pg_input_is_valid(s, %L)', key_type);
  ELSIF is_ordered_as_text AND EXISTS (
    SELECT
    FROM feed.events AS e
    WHERE e.topic = snapshot_page.topic AND e.type LIKE '%\_deleted' AND e."position" > at
    ORDER BY e."position"
    OFFSET looked_through
  ) THEN
    gone := format($by_key$
      SELECT d.subject, d.number = %1$s AS is_last
      FROM (
        SELECT e.subject, e."position", row_number() OVER (ORDER BY e.subject COLLATE "C", e."position") AS number
        FROM feed.events AS e
        WHERE e.topic = $1 AND e.type LIKE '%%\_deleted' AND e.subject COLLATE "C" > coalesce($3, '')
        ORDER BY e.subject COLLATE "C", e."position"
        LIMIT %1$s
      ) AS d
      WHERE d."position" > $2 OR d.number = %1$s
    $by_key$, looked_through);
  ELSE
    gone := $since$
      SELECT e.subject, false AS is_last
      FROM feed.events AS e
      WHERE e.topic = $1 AND e.type LIKE '%\_deleted' AND e."position" > $2
    $since$;
  END IF;

  RETURN QUERY EXECUTE format($query$
    WITH walked AS MATERIALIZED (
      SELECT "00 row".%1$I%3$s AS key, rendered.document ->> %1$L AS subject, rendered.document::text AS document
      FROM ONLY %5$s AS "00 row"
      CROSS JOIN LATERAL (SELECT feed.render("00 row") AS document OFFSET 0) AS rendered
      WHERE ($3 IS NULL OR "00 row".%1$I %4$s $3::%2$s%3$s) AND %7$s
      ORDER BY 1
      LIMIT $4
    ), gone AS MATERIALIZED (
      %8$s
    ), fresh AS MATERIALIZED (
      SELECT u.xid, u.id, u.key, u.subject
      FROM (SELECT *, subject::%2$s%3$s AS key FROM feed.unnumbered($1) OFFSET 0) AS u
      WHERE ($3 IS NULL OR u.key %4$s $3::%2$s%3$s) AND ($5 IS NULL OR u.subject = ANY ($5))
      ORDER BY u.key, u.id
      LIMIT %9$s
    ), stop AS MATERIALIZED ( -- of what comes after it not all is known; nowhere if this is the last page
      SELECT known.key, known.subject
      FROM (
        (SELECT walked.key, walked.subject FROM walked OFFSET $4 - 1)
        UNION ALL
        (SELECT fresh.key, fresh.subject FROM fresh OFFSET %9$s - 1)
        UNION ALL
        SELECT gone.subject::%2$s%3$s, gone.subject FROM gone WHERE gone.is_last
      ) AS known
      ORDER BY known.key
      LIMIT 1
    ), met AS MATERIALIZED (
      SELECT walked.key, walked.subject, walked.document FROM walked
      UNION ALL
      SELECT other.key, other.subject, NULL
      FROM (
        SELECT gone.subject::%2$s%3$s AS key, gone.subject FROM gone
        UNION
        SELECT fresh.key, fresh.subject FROM fresh
      ) AS other
      WHERE ($3 IS NULL OR other.key %4$s $3::%2$s%3$s)
        AND NOT EXISTS (SELECT FROM walked WHERE walked.subject = other.subject)
    ), in_order AS MATERIALIZED (
      SELECT met.key, met.subject, met.document, fresh.xid, fresh.id
      FROM met
      LEFT JOIN (SELECT DISTINCT ON (key, subject) * FROM fresh ORDER BY key, subject, id) AS fresh ON fresh.subject = met.subject
      WHERE NOT EXISTS (SELECT FROM stop WHERE met.key %4$s stop.key)
      ORDER BY 1
    )
    (
      SELECT state.subject, state.document
      FROM (
        SELECT it.subject, CASE
          WHEN later.type IS NULL THEN it.document
          WHEN past.type = %6$L THEN NULL
          WHEN past.type IS NOT NULL THEN past.data::text
          WHEN later.type = %6$L THEN later.data::text
          ELSE (
            SELECT '{' || string_agg(concat(to_json(now.key), ':', coalesce(was.value, now.value)), ',' ORDER BY now.ordinality) || '}'
            FROM json_each(later.data) WITH ORDINALITY AS now
            LEFT JOIN json_each(later.previous) AS was ON was.key = now.key
            WHERE later.previous IS NOT NULL -- or it was created
          )
        END AS document
        FROM in_order AS it
        LEFT JOIN LATERAL (
          (
            SELECT e.type, e.data, e.previous
            FROM feed.events AS e
            WHERE (e.subject, e."position") > (it.subject, $2) AND e.subject <= it.subject AND e.topic = $1
            ORDER BY e.subject, e."position"
            LIMIT 1
          )
          UNION ALL
          SELECT s.type, s.data, s.previous FROM feed.staged AS s WHERE s.xid = it.xid AND s.id = it.id
          LIMIT 1
        ) AS later ON true
        LEFT JOIN LATERAL (
          SELECT e.type, e.data
          FROM feed.events AS e
          WHERE later.type IS NOT NULL
            AND (e.subject, e."position") <= (it.subject, $2) AND e.subject >= it.subject AND e.topic = $1
          ORDER BY e.subject DESC, e."position" DESC
          LIMIT 1
        ) AS past ON true
      ) AS state
      WHERE state.document IS NOT NULL
      LIMIT $4
    )
    UNION ALL
    SELECT stop.subject, NULL FROM stop
    LIMIT $4
  $query$, watched.key_column, key_type, collated, greater, watched.relation, watched.entity || '_deleted', is_wanted, gone, looked_through)
  USING topic, at, after_subject, most, subjects;
  -- Each statement has its own snapshot: what the floor has risen over meanwhile may have gone unseen.
  IF at < (SELECT log.floor FROM feed.log) THEN
    RAISE EXCEPTION 'what follows position % is no longer kept', at USING ERRCODE = 'invalid_parameter_value', CONSTRAINT = 'below_floor';
  END IF;
END
$$;
COMMENT ON FUNCTION feed.snapshot_page(text, bigint, text, integer, text[]) IS
  'Entities of a topic as of a position at or below the head, in the order of their key; ends without a document if it may go on.';
