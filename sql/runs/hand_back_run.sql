-- Gives a run back that its instance cannot finish because it is being stopped: queued again, for whichever instance
-- takes it. Called under the run's advisory lock by the worker that runs it. Returns whether the run was still the caller's.
-- Without it the run would wait for a sweep, and be told to have failed although nothing did.
-- Called by: src/queries/run_session.ts.
CREATE OR REPLACE FUNCTION public.hand_back_run(unfinished uuid, of_attempt integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  run public.runs;
BEGIN
  SELECT * INTO run
  FROM public.runs AS r
  WHERE r.id = unfinished AND r.attempt = of_attempt AND r.status = 'running'
  FOR UPDATE;
  IF FOUND THEN
    PERFORM public.requeue_run(run);
  END IF;
  RETURN FOUND;
END
$$;
COMMENT ON FUNCTION public.hand_back_run(uuid, integer) IS 'Queues a running run again, at the will of who runs it.';
