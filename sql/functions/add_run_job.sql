-- Puts the job of a run's present attempt into graphile-worker's queue. Called by queue_run() and requeue_run().
-- One attempt per job: what a run retries it retries within itself. The key keeps two jobs of one attempt apart
-- from none, whoever asks twice.
CREATE OR REPLACE FUNCTION public.add_run_job(run public.runs) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT graphile_worker.add_job(
    run.kind,
    json_build_object('run_id', run.id, 'attempt', run.attempt),
    max_attempts => 1,
    job_key => format('run:%s:%s', run.id, run.attempt))
$$;
COMMENT ON FUNCTION public.add_run_job(public.runs) IS 'Queues the job of a run''s present attempt.';
