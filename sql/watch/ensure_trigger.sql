-- Makes a trigger be there, firing always (also for logical replication's apply), and touches nothing if it is:
-- trigger DDL locks the table against every writer. Called by the triggers.sql of each folder and by feed.watch().
-- `timing` is written as pg_get_triggerdef() writes it (INSERT OR DELETE OR UPDATE), so that the two compare.
-- Called by: feed.add_partitions(), feed.watch(), sql/currencies/triggers.sql, sql/runs/triggers.sql,
-- sql/sequence/triggers.sql, sql/tasks/triggers.sql, sql/tokens/triggers.sql.
CREATE OR REPLACE FUNCTION feed.ensure_trigger(relation regclass, name name, timing text, level text, call text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off -- as `timing` and `call` are written
AS $$
DECLARE
  wanted CONSTANT text := format(
    'TRIGGER %I %s ON %s FOR EACH %s EXECUTE FUNCTION %s', name, timing, relation, level, call);
BEGIN
  IF EXISTS (
    SELECT FROM pg_trigger
    WHERE tgrelid = relation AND tgname = name AND tgenabled = 'A' AND pg_get_triggerdef(oid) = 'CREATE ' || wanted
  ) THEN
    RETURN;
  END IF;
  EXECUTE 'CREATE OR REPLACE ' || wanted;
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', relation, name);
END
$$;
COMMENT ON FUNCTION feed.ensure_trigger(regclass, name, text, text, text) IS 'Makes a trigger be there, firing always.';
