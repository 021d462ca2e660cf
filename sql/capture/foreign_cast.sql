-- Which type within a type has a cast to json whose function is neither a superuser's nor ours; NULL if none, as almost
-- always. Called by feed.render(anyelement) before it turns a row to JSON: PostgreSQL would run such a cast, and a role that
-- may define a type would so run what they like with the rights of the log's owner.
-- Called by: feed.render().
CREATE OR REPLACE FUNCTION feed.foreign_cast(of_type oid) RETURNS regtype
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  -- Types below 16384 are PostgreSQL's own.
  IF NOT EXISTS (SELECT FROM pg_cast AS c WHERE c.castsource >= 16384 AND c.casttarget = 'json'::regtype) THEN
    RETURN NULL;
  END IF;
  RETURN (
    WITH RECURSIVE inside (oid) AS (
      SELECT of_type
      UNION
      SELECT part.oid
      FROM inside
      JOIN pg_type AS t ON t.oid = inside.oid
      CROSS JOIN LATERAL (
        SELECT t.typbasetype
        UNION ALL SELECT t.typelem
        UNION ALL SELECT a.atttypid FROM pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0
      ) AS part (oid)
      WHERE part.oid <> 0
    )
    SELECT c.castsource::regtype
    FROM inside
    JOIN pg_cast AS c ON c.castsource = inside.oid AND c.casttarget = 'json'::regtype
    JOIN pg_proc AS p ON p.oid = c.castfunc
    JOIN pg_roles AS owner ON owner.oid = p.proowner
    WHERE NOT owner.rolsuper AND owner.rolname <> current_user
    LIMIT 1);
END
$$;
COMMENT ON FUNCTION feed.foreign_cast(oid) IS 'A type within a type whose cast to json another role defined.';
