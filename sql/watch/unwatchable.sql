-- Why a table cannot be watched under a key; NULL if it can.
-- The log's owner must be able to read the table, all of it: TRUNCATE and snapshots are read with its rights.
-- Called by: feed.verify(), feed.watch().
CREATE OR REPLACE FUNCTION feed.unwatchable(relation regclass, key_column name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT CASE
    WHEN c.relnamespace = 'feed'::regnamespace THEN 'it belongs to the log itself'
    WHEN c.oid = 'public.tokens'::regclass THEN 'it holds what tokens are known by'
    WHEN c.relkind <> 'r' OR c.relispartition THEN 'it is no ordinary table'
    WHEN c.relpersistence <> 'p' THEN 'its rows do not outlive a crash or its session, as the log does'
    WHEN EXISTS (SELECT FROM pg_inherits AS i WHERE c.oid IN (i.inhrelid, i.inhparent)) THEN
      'it inherits or is inherited from: rows of the one would be seen through the other without their changes'
    WHEN EXISTS (
      SELECT FROM pg_trigger AS t
      WHERE t.tgrelid = c.oid AND t.tgname = '00_feed_capture' AND t.tgfoid <> 'feed.capture()'::regprocedure
    ) THEN 'another service of this database watches it'
    WHEN key.oid IS NULL THEN format('its primary key is not the column %I', key_column)
    WHEN NOT key.is_immediate THEN 'its primary key is deferrable: two rows could have the same one for a while'
    WHEN key.typrelid <> 0 OR key.typcategory = 'A' THEN
      format('its key is of the type %s, which is no single value', format_type(key.oid, NULL))
    WHEN key.oid = 'jsonb'::regtype OR EXISTS (
      SELECT FROM pg_cast AS j WHERE j.castsource = key.oid AND j.castsource >= 16384 AND j.casttarget = 'json'::regtype
    ) THEN format('its key is of the type %s, whose JSON cannot be read back as a key', format_type(key.oid, NULL))
    -- Types of these kinds a superuser alone can make, or they have no code of their own; a range has its owner's.
    WHEN key.oid >= 16384 AND key.typtype NOT IN ('b', 'e') THEN
      format('its key is of the type %s, which runs code of its owner', format_type(key.oid, NULL))
    WHEN code IS NOT NULL THEN format('its indexes or statistics use %s, which is of a foreign owner', code)
    WHEN NOT has_schema_privilege(owner.oid, c.relnamespace, 'USAGE') OR NOT has_table_privilege(owner.oid, c.oid, 'SELECT')
      THEN format('%s, who owns the log, may not read it', owner.rolname)
    WHEN c.relrowsecurity AND NOT owner.rolsuper AND NOT owner.rolbypassrls
      AND (c.relforcerowsecurity OR NOT pg_has_role(owner.oid, c.relowner, 'USAGE'))
      THEN format('its row security may hide rows from %s, who owns the log', owner.rolname)
  END
  FROM pg_class AS c
  CROSS JOIN (
    SELECT r.* FROM pg_proc AS p JOIN pg_roles AS r ON r.oid = p.proowner WHERE p.oid = 'feed.capture()'::regprocedure
  ) AS owner
  LEFT JOIN LATERAL (
    SELECT t.*, k.is_immediate
    FROM feed.key_of(c.oid) AS k
    JOIN pg_type AS t ON t.oid = feed.base_type(k.type)
    WHERE k.name = key_column
  ) AS key ON true
  CROSS JOIN LATERAL feed.foreign_code(c.oid) AS code
  WHERE c.oid = relation
$$;
COMMENT ON FUNCTION feed.unwatchable(regclass, name) IS 'Why a table cannot be watched; NULL if it can.';
