-- Ends the sessions that hold one of the service's advisory locks, or wait for it, and are not of the service: an advisory
-- lock is open to every role that may connect, and a holder whose role is no member of the service's roles can be no
-- leader and no run. Called where a lock cannot be had: by the candidates for leadership and for other work of one instance,
-- by sweep_runs(), by import_rates() and by queue_first_run(). Such a session is ended at once, whether it works or not.
-- Without this, any role could stop the numbering of events, or a run for good, with one SELECT.
-- Returns a row per such session, with whether it is gone; not where the owner may not end it, which takes the rights of
-- that session's role or of pg_signal_backend. A prepared transaction has no session (pid NULL) and is only named.
-- The doorbell is taken shared by every writer, of whatever role: of it only exclusive holders are looked at.
-- Called by: public.import_rates(), public.queue_first_run(), public.sweep_runs(), src/postgres/strangers.ts.
CREATE OR REPLACE FUNCTION feed.end_strangers(purpose text)
RETURNS TABLE (pid integer, role text, application text, ended boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  key CONSTANT bigint := feed.lock_key(purpose);
BEGIN
  -- A 64-bit key is shown in two halves, with objsubid 1.
  FOR pid, role, application IN
    SELECT DISTINCT l.pid, coalesce(a.usename, r.rolname)::text, a.application_name
    FROM pg_locks AS l
    LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
    LEFT JOIN pg_prepared_xacts AS x ON l.pid IS NULL AND l.virtualtransaction = '-1/' || x.transaction
    LEFT JOIN pg_roles AS r ON r.oid = coalesce(a.usesysid, to_regrole(quote_ident(x.owner)))
    WHERE l.locktype = 'advisory' AND l.objsubid = 1
      AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      AND l.classid = ((key >> 32) & 4294967295)::oid AND l.objid = (key & 4294967295)::oid
      AND (l.mode = 'ExclusiveLock' OR purpose <> 'doorbell')
      AND NOT EXISTS (
        SELECT
        FROM pg_roles AS ours
        WHERE pg_has_role(r.oid, ours.oid, 'MEMBER')
          AND (ours.rolname = 'taskwire_app' OR ours.oid = (SELECT c.relowner FROM pg_class AS c WHERE c.oid = 'feed.log'::regclass)))
  LOOP
    BEGIN
      ended := coalesce(pg_terminate_backend(pid, 1000), false);
    EXCEPTION
      WHEN insufficient_privilege THEN
        ended := false;
    END;
    RETURN NEXT;
  END LOOP;
END
$$;
COMMENT ON FUNCTION feed.end_strangers(text) IS
  'Ends sessions of roles that are not the service''s and hold or await the lock of a purpose; returns them.';
