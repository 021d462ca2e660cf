-- Starts an orphaned run again: an active one that no worker works on. Called by sweep_runs() every few seconds and by
-- queue_run(). Returns what it did: 'queued again', 'given up', 'job restored'; NULL if the run is well.
-- The worker of a run holds its advisory lock from before claiming it until after its last write, in a session
-- that dies with the process. So the lock alone tells: a running run whose lock can be had is dead, and while we
-- hold it no worker can claim or finish the run. A run that kills its process every time is given up.
-- Called by: public.queue_run(), public.sweep_runs().
CREATE OR REPLACE FUNCTION public.revive_run(suspect uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  most_attempts CONSTANT integer := 5;
  run public.runs;
BEGIN
  SELECT * INTO run FROM public.runs AS r WHERE r.id = suspect AND r.status IN ('queued', 'running');
  IF NOT FOUND OR (run.status = 'queued' AND NOT public.run_is_forgotten(run)) THEN
    RETURN NULL;
  END IF;
  IF NOT pg_try_advisory_xact_lock(feed.lock_key('run:' || run.id)) THEN
    RETURN NULL;
  END IF;

  -- Once more: what the lock's last holder wrote, or another instance did in our place, is certain only now.
  SELECT * INTO run FROM public.runs AS r WHERE r.id = suspect AND r.status IN ('queued', 'running') FOR UPDATE;
  IF NOT FOUND OR (run.status = 'queued' AND NOT public.run_is_forgotten(run)) THEN
    RETURN NULL;
  END IF;
  IF run.status = 'queued' THEN
    PERFORM public.add_run_job(run);
    RETURN 'job restored';
  END IF;

  UPDATE public.runs AS r
  SET status = 'failed', finished_at = clock_timestamp(), error = CASE
    WHEN run.attempt < most_attempts THEN 'the process that ran it died'
    ELSE format('given up: the process that ran it died, at attempt %s of %s', run.attempt, most_attempts)
  END
  WHERE r.id = run.id;
  IF run.attempt >= most_attempts THEN
    RETURN 'given up';
  END IF;
  PERFORM public.requeue_run(run);
  RETURN 'queued again';
END
$$;
COMMENT ON FUNCTION public.revive_run(uuid) IS 'Starts an active run again that no worker works on; returns what it did.';
