-- Queues the next attempt of a run, with its job. Called by revive_run() for a run whose process died, and by
-- hand_back_run(). The counters begin anew: what earlier attempts brought is found unchanged by this one.
-- Called by: public.hand_back_run(), public.revive_run().
CREATE OR REPLACE FUNCTION public.requeue_run(run public.runs) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  again public.runs;
BEGIN
  UPDATE public.runs AS r
  SET status = 'queued', attempt = r.attempt + 1, error = NULL, queued_at = clock_timestamp(),
      started_at = NULL, finished_at = NULL, fetched = 0, created = 0, updated = 0, unchanged = 0, rejected = 0,
      rejections = '[]'
  WHERE r.id = run.id
  RETURNING * INTO again;
  PERFORM public.add_run_job(again);
END
$$;
COMMENT ON FUNCTION public.requeue_run(public.runs) IS 'Queues the next attempt of a run.';
