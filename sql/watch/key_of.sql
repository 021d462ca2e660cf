-- The column that is a table's primary key, with what its index compares it by; no row if the key has several columns or
-- there is none. The one place that knows: a table that is watched under another column than this could not be told in full.
-- Without settings of its own, and each name of the catalogue qualified, so that it is inlined where it is asked and none of
-- a caller's tables stands in for the catalogue's.
-- Called by: feed.list_past(), feed.snapshot_page(), feed.unwatchable(), src/queries/log.ts.
CREATE OR REPLACE FUNCTION feed.key_of(relation regclass)
RETURNS TABLE (name name, type oid, operators oid, "collation" oid, is_immediate boolean)
LANGUAGE sql STABLE ROWS 1
AS $$
  SELECT a.attname, a.atttypid, i.indclass[0], i.indcollation[0], i.indimmediate
  FROM pg_catalog.pg_index AS i
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = key_of.relation AND i.indisprimary AND i.indnkeyatts = 1
$$;
COMMENT ON FUNCTION feed.key_of(regclass) IS 'The column that is a table''s primary key; no row if no single one is.';
