-- Starts a run again whose process died: it counts as failed and is queued anew, with the next attempt. Called by
-- whoever holds the run's advisory lock, which proves that nobody is running it. Returns whether it was still
-- running.
CREATE OR REPLACE FUNCTION public.requeue_run(dead uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  run public.runs;
BEGIN
  UPDATE public.runs
  SET status = 'failed', error = 'the process that ran it died', finished_at = clock_timestamp()
  WHERE id = dead AND status = 'running';
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE public.runs
  SET status = 'queued', attempt = attempt + 1, error = NULL, started_at = NULL, finished_at = NULL,
      queued_at = clock_timestamp(), fetched = 0, created = 0, updated = 0, unchanged = 0, rejected = 0,
      rejections = '[]'
  WHERE id = dead
  RETURNING * INTO run;
  PERFORM public.add_run_job(run);
  RETURN true;
END
$$;
COMMENT ON FUNCTION public.requeue_run(uuid) IS 'Marks a dead run failed and queues it again.';
