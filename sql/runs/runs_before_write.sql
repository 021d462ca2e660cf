-- Makes a run's id and keeps its identity. The BEFORE ROW trigger of runs.
-- Called by: sql/runs/triggers.sql.
CREATE OR REPLACE FUNCTION public.runs_before_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.id := coalesce(NEW.id, feed.uuid_v7());
    RETURN NEW;
  END IF;
  IF NEW.id <> OLD.id OR NEW.kind <> OLD.kind THEN
    RAISE EXCEPTION 'id and kind of a run never change'
      USING ERRCODE = 'check_violation', CONSTRAINT = 'runs_identity_fixed', TABLE = 'runs', SCHEMA = 'public';
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION public.runs_before_write() IS 'BEFORE ROW trigger of runs: id and identity.';
