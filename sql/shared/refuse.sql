-- Refuses a statement. The BEFORE trigger of what may only grow: the log, and the runs. Its argument is the name of
-- the rule, reported like a constraint's. It binds everybody for whom triggers fire, the owner included; grants
-- keep the application's role away before it gets here.
-- Called by: feed.add_partitions(), sql/runs/triggers.sql, sql/sequence/triggers.sql.
CREATE OR REPLACE FUNCTION feed.refuse() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  RAISE EXCEPTION '% of % is refused: its rows are kept as they are', TG_OP, TG_RELID::regclass
    USING ERRCODE = 'restrict_violation', CONSTRAINT = TG_ARGV[0], TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
END
$$;
COMMENT ON FUNCTION feed.refuse() IS 'BEFORE trigger that refuses the statement under the name of a rule.';
