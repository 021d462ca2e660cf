-- A run is kept for 400 days after it has finished; then it may be taken away, as public.sweep_runs() does. BEFORE trigger of
-- runs.
-- Called by: sql/runs/triggers.sql.
CREATE OR REPLACE FUNCTION public.keep_runs() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF OLD.finished_at < clock_timestamp() - interval '400 days' THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION '% of % is refused: a run is kept for 400 days after it has finished', TG_OP, TG_RELID::regclass
    USING ERRCODE = 'restrict_violation', CONSTRAINT = 'runs_kept', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
END
$$;
COMMENT ON FUNCTION public.keep_runs() IS 'BEFORE trigger that keeps runs for 400 days.';
