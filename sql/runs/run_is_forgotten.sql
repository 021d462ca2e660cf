-- Whether a queued run has waited for two seconds with no job that could start it: the job is gone, has failed, or
-- is in the hands of a worker that should have claimed the run long since.
-- Such a job's worker was killed between picking it up and claiming; graphile-worker itself frees it after four hours.
-- Called by: public.revive_run().
CREATE OR REPLACE FUNCTION public.run_is_forgotten(run public.runs) RETURNS boolean
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT run.queued_at < clock_timestamp() - interval '2 seconds'
    AND NOT EXISTS (
      SELECT FROM graphile_worker.jobs AS j
      WHERE j.key = format('run:%s:%s', run.id, run.attempt)
        AND CASE
          WHEN j.locked_at IS NULL THEN j.attempts < j.max_attempts
          ELSE j.locked_at > clock_timestamp() - interval '2 seconds'
        END)
$$;
COMMENT ON FUNCTION public.run_is_forgotten(public.runs) IS 'Whether a queued run has no job that could start it.';
