-- Puts the job of a run's present attempt into graphile-worker's queue. The run is the truth and its job only the hint to look at it: one attempt per job, and what a run
-- retries it retries within itself.
-- A kind has one active run, so whatever jobs of the kind are there belong to attempts that are over, or to a worker
-- that died with one in its hands: they are taken away. Without that each crash would leave a row behind, held by
-- no worker for four hours. Should its worker be alive after all, it finds that the run is not its to claim.
-- Called by: public.queue_run(), public.requeue_run(), public.revive_run().
CREATE OR REPLACE FUNCTION public.add_run_job(run public.runs) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  PERFORM graphile_worker.force_unlock_workers(array_agg(j.locked_by))
  FROM graphile_worker.jobs AS j
  WHERE j.task_identifier = run.kind AND j.locked_by IS NOT NULL
  HAVING count(*) > 0;

  PERFORM graphile_worker.complete_jobs(array_agg(j.id))
  FROM graphile_worker.jobs AS j
  WHERE j.task_identifier = run.kind
  HAVING count(*) > 0;

  PERFORM graphile_worker.add_job(
    run.kind,
    json_build_object('run_id', run.id, 'attempt', run.attempt),
    max_attempts => 1,
    job_key => format('run:%s:%s', run.id, run.attempt));
END
$$;
COMMENT ON FUNCTION public.add_run_job(public.runs) IS 'Queues the job of a run''s present attempt.';
