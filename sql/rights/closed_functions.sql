-- The functions that PUBLIC, which is everybody who may connect, must not execute: all of the log's schema, and those of the
-- resources' schema that change what their caller may not, or are put as triggers on tables. A SECURITY DEFINER trigger function that any role may put on its temporary table hands that role its
-- owner's rights: assigning to NEW runs the CHECKs of whatever domain they gave the column.
-- A feed.render() that an operator made for a table of his own is his.
-- Called by: feed.drift(), sql/grants.sql.
CREATE OR REPLACE FUNCTION feed.closed_functions() RETURNS SETOF regprocedure
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
  SELECT p.oid::regprocedure
  FROM pg_proc AS p
  WHERE p.pronamespace = to_regnamespace('feed') AND (p.prosecdef OR p.proname <> 'render')
  UNION ALL
  SELECT to_regprocedure(functions.name)
  FROM unnest(ARRAY[
    'public.queue_run(text)', 'public.queue_first_run(text)', 'public.sweep_runs()', 'public.hand_back_run(uuid, integer)',
    'public.revive_run(uuid)', 'public.requeue_run(public.runs)', 'public.add_run_job(public.runs)',
    'public.run_is_forgotten(public.runs)', 'public.restore_task(uuid)',
    'public.claim_idempotency_key(text, bytea, text)', 'public.apply_batch(text, text[], jsonb)',
    'public.note_token_use(text[], float8[])', 'public.tokens_ring()', 'public.tokens_before_update()',
    'public.tasks_before_write()', 'public.runs_before_write()', 'public.currencies_before_write()',
    'public.currencies_keep_rate()'
  ]) AS functions (name)
  WHERE to_regprocedure(functions.name) IS NOT NULL
$$;
COMMENT ON FUNCTION feed.closed_functions() IS 'The functions that PUBLIC must not execute.';
