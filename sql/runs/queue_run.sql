-- Asks for a run of a kind: the one that is queued or running, or a new one with its job. A run whose process died is started again on the way, so that no client is handed a dead one and waits.
-- SECURITY DEFINER, because the application's role may not touch the job queue.
-- Called by: public.queue_first_run(), src/queries/runs.ts.
CREATE OR REPLACE FUNCTION public.queue_run(wanted text) RETURNS public.runs
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  run public.runs;
BEGIN
  LOOP
    INSERT INTO public.runs (kind) VALUES (wanted)
    ON CONFLICT (kind) WHERE status IN ('queued', 'running') DO NOTHING
    RETURNING * INTO run;
    IF FOUND THEN
      PERFORM public.add_run_job(run);
      RETURN run;
    END IF;
    SELECT * INTO run FROM public.runs AS r WHERE r.kind = wanted AND r.status IN ('queued', 'running');
    IF FOUND AND public.revive_run(run.id) IS NULL THEN
      RETURN run;
    END IF;
    -- The run that stood in the way has ended in between, or was dead and is not as it was: look again.
  END LOOP;
END
$$;
COMMENT ON FUNCTION public.queue_run(text) IS 'The active run of a kind, made and queued if there is none.';
