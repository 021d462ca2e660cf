-- Looks after the active runs and the job queue. Called by every instance every few seconds; while all is well it
-- only reads, so an idle service writes nothing. Returns a row per finding: what revive_run() did, and one without
-- a run where jobs wait that a worker should have heard of: a NOTIFY is a hint, and can be lost.
-- A run whose lock is held by a session that is not the service's looks as if it went on: that session is ended, or named.
-- Runs that finished 400 days ago, and messages that were rejected then, are taken away, a hundred at a time: what no
-- client asks for any more may not grow for ever. A run's id tells when it was queued, so that the newer ones are not read for it.
-- Jobs of the schedule whose worker died with them are freed too, or a daily run could be left out for a day.
-- Called by: src/queries/runs.ts.
CREATE OR REPLACE FUNCTION public.sweep_runs() RETURNS TABLE (run_id uuid, finding text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  old CONSTANT timestamptz := clock_timestamp() - interval '400 days';
  old_runs CONSTANT uuid[] := ARRAY(
    SELECT r.id
    FROM public.runs AS r
    WHERE r.id < rpad(lpad(to_hex((extract(epoch FROM old) * 1000)::bigint), 12, '0'), 32, '0')::uuid AND r.finished_at < old
    ORDER BY r.id
    LIMIT 100);
BEGIN
  FOR run_id IN SELECT r.id FROM public.runs AS r WHERE r.status IN ('queued', 'running') LOOP
    SELECT format('its lock is held by a session that is not of the service, and may not be ended: pid %s, role %s, application "%s"', s.pid, s.role, s.application)
    INTO finding
    FROM feed.end_strangers('run:' || run_id) AS s
    WHERE NOT s.ended
    LIMIT 1;
    finding := coalesce(finding, public.revive_run(run_id));
    IF finding IS NOT NULL THEN
      RETURN NEXT;
    END IF;
  END LOOP;

  IF cardinality(old_runs) > 0 THEN
    DELETE FROM public.runs AS r WHERE r.id = ANY (old_runs) AND r.finished_at < old;
  END IF;
  IF EXISTS (SELECT FROM public.rejected_messages AS m WHERE m.received_at < old) THEN
    DELETE FROM public.rejected_messages AS m
    WHERE m.ctid = ANY (ARRAY(
      SELECT known.ctid FROM public.rejected_messages AS known WHERE known.received_at < old ORDER BY known.received_at LIMIT 100));
  END IF;

  PERFORM graphile_worker.force_unlock_workers(array_agg(j.locked_by))
  FROM graphile_worker.jobs AS j
  WHERE j.key LIKE 'schedule:%' AND j.locked_at < clock_timestamp() - interval '10 seconds'
  HAVING count(*) > 0;

  RETURN QUERY
  SELECT NULL::uuid, 'jobs waiting'
  WHERE EXISTS (
    SELECT FROM graphile_worker.jobs AS j
    WHERE j.locked_at IS NULL AND j.attempts < j.max_attempts AND j.run_at < clock_timestamp() - interval '1 second');
END
$$;
COMMENT ON FUNCTION public.sweep_runs() IS 'Revives dead and forgotten runs; tells of jobs that wait.';
