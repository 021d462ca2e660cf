-- A function of a foreign owner that PostgreSQL would run only to plan a query on a table; NULL if there is none. Called
-- by feed.unwatchable(), and before each reading of a watched table with the rights of the log's owner.
-- The planner computes what is constant in the expressions and conditions of a table's indexes and extended statistics:
-- with evil(1) in one of them the table's owner would have evil() run as the log's owner. Foreign is an owner who is
-- neither a superuser nor the log's owner. (What the CHECKs of the table hold is planned under constraint_exclusion alone,
-- which the readers set off; a generated column is computed by its writer, or holds built-in functions only.)
-- Called by: feed.capture_truncate(), feed.snapshot_page(), feed.unwatchable(), feed.verify().
CREATE OR REPLACE FUNCTION feed.foreign_code(relation regclass) RETURNS regprocedure
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT p.oid::regprocedure
  FROM (
    SELECT 'pg_class'::regclass AS catalog, i.indexrelid AS oid
    FROM pg_index AS i
    WHERE i.indrelid = relation AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)
    UNION ALL
    SELECT 'pg_statistic_ext'::regclass, s.oid FROM pg_statistic_ext AS s WHERE s.stxrelid = relation AND s.stxexprs IS NOT NULL
  ) AS part
  JOIN pg_depend AS d ON d.classid = part.catalog AND d.objid = part.oid
  LEFT JOIN pg_operator AS o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
  JOIN pg_proc AS p ON p.oid = CASE WHEN d.refclassid = 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode END
  JOIN pg_roles AS owner ON owner.oid = p.proowner
  WHERE NOT owner.rolsuper
    AND p.proowner <> (SELECT c.proowner FROM pg_proc AS c WHERE c.oid = 'feed.capture()'::regprocedure)
  LIMIT 1
$$;
COMMENT ON FUNCTION feed.foreign_code(regclass) IS
  'A function of a foreign owner that planning a query on the table would run; NULL if there is none.';
