-- Asks for the very first run of a kind, and does nothing once there has been one. Called by every instance at its
-- start. The lock, because instances start together: without it one could look before another's first run was made,
-- and ask after it had ended.
-- Called by: src/queries/runs.ts.
CREATE OR REPLACE FUNCTION public.queue_first_run(wanted text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF EXISTS (SELECT FROM public.runs AS r WHERE r.kind = wanted) THEN
    RETURN false; -- every start but the first, and it writes nothing
  END IF;
  IF NOT pg_try_advisory_xact_lock(feed.lock_key('first_run:' || wanted)) THEN
    PERFORM feed.end_strangers('first_run:' || wanted);
    PERFORM pg_advisory_xact_lock(feed.lock_key('first_run:' || wanted));
  END IF;
  IF EXISTS (SELECT FROM public.runs AS r WHERE r.kind = wanted) THEN
    RETURN false;
  END IF;
  PERFORM public.queue_run(wanted);
  RETURN true;
END
$$;
COMMENT ON FUNCTION public.queue_first_run(text) IS 'Queues a run of a kind that has never run; returns whether it did.';
