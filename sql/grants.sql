-- Who may do what. taskwire_app is the role the service works under: it may write the nouns and read the log, and
-- cannot touch the log's tables; only the functions listed here change them, with their owner's rights.
-- taskwire_reader is people's read-only role. Where the server lets nobody make roles, the service works as the
-- owner, and the triggers of sql/sequence/triggers.sql protect the log alone. Roles belong to the whole server, so two
-- instances of it may make them at once.
DO $$
DECLARE
  wanted text;
BEGIN
  FOREACH wanted IN ARRAY ARRAY['taskwire_app', 'taskwire_reader'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
      EXCEPTION
        WHEN insufficient_privilege THEN
          RAISE NOTICE 'role % was not made: % may not create roles', wanted, current_user;
        WHEN duplicate_object OR unique_violation THEN
          NULL; -- somebody else was faster
      END;
    END IF;
  END LOOP;
END
$$;

REVOKE ALL ON SCHEMA feed FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA feed FROM PUBLIC;
REVOKE ALL ON FUNCTION
  public.queue_run(text), public.queue_first_run(text), public.sweep_runs(), public.hand_back_run(uuid, integer),
  public.revive_run(uuid), public.requeue_run(public.runs), public.add_run_job(public.runs),
  public.run_is_forgotten(public.runs), public.restore_task(uuid),
  public.claim_idempotency_key(text, bytea), public.apply_batch(text, text[], jsonb)
FROM PUBLIC;
-- A SECURITY DEFINER trigger function that anyone may put on a temporary table of theirs hands them its owner's rights:
-- assigning to NEW runs the CHECKs of whatever domain they gave the column.
REVOKE ALL ON FUNCTION
  public.tasks_before_write(), public.runs_before_write(), public.currencies_before_write(), public.currencies_keep_rate()
FROM PUBLIC;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'taskwire_app') THEN
    RETURN;
  END IF;
  IF NOT pg_has_role(current_user, 'taskwire_app', 'SET') THEN
    EXECUTE format('GRANT taskwire_app TO %I', current_user);
  END IF;
  GRANT USAGE ON SCHEMA public, feed TO taskwire_app;
  GRANT SELECT, INSERT, UPDATE, DELETE
  ON public.tasks, public.imports, public.currencies, public.idempotency_keys TO taskwire_app;
  GRANT SELECT, INSERT, UPDATE ON public.runs, public.currency_rates TO taskwire_app;
  GRANT SELECT, INSERT ON public.rejected_messages TO taskwire_app;
  GRANT SELECT ON ALL TABLES IN SCHEMA feed TO taskwire_app;
  GRANT EXECUTE ON FUNCTION
    feed.render(public.tasks), feed.render(public.runs), feed.render(public.currencies), feed.rfc3339(timestamptz),
    feed.service_name(), feed.lock_key(text), feed.channel(text), feed.verify(), feed.clean_staged(xid8, integer),
    feed.end_strangers(text), feed.closed_tables(),
    feed.unnumbered(text), feed.snapshot_page(text, bigint, text, integer, text[]),
    feed.list_past(text, bigint, text, text, integer), public.restore_task(uuid),
    public.queue_run(text), public.queue_first_run(text), public.sweep_runs(), public.hand_back_run(uuid, integer),
    public.import_task(text, text, jsonb), public.import_rates(text, date, jsonb, boolean),
    public.convert_currency(numeric, text, text), public.quotient(numeric, numeric), public.quoted_rates(jsonb),
    public.claim_idempotency_key(text, bytea), public.apply_batch(text, text[], jsonb)
  TO taskwire_app;
EXCEPTION
  WHEN insufficient_privilege THEN
    RAISE NOTICE 'role taskwire_app is not used: % may not grant to it', current_user;
END
$$;

DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'taskwire_reader') THEN
    RETURN;
  END IF;
  GRANT USAGE ON SCHEMA public, feed TO taskwire_reader;
  GRANT SELECT ON
    public.tasks, public.runs, public.imports, public.currencies, public.currency_rates, public.rejected_messages
  TO taskwire_reader;
  GRANT SELECT ON ALL TABLES IN SCHEMA feed TO taskwire_reader;
  GRANT EXECUTE ON FUNCTION
    feed.render(public.tasks), feed.render(public.runs), feed.render(public.currencies), feed.rfc3339(timestamptz), feed.verify()
  TO taskwire_reader;
EXCEPTION
  WHEN insufficient_privilege THEN
    RAISE NOTICE 'role taskwire_reader is not granted anything: % may not', current_user;
END
$$;
