-- Up Migration

-- The rules of a run, in one CHECK: see 0026_task_rules.sql.

-- Written as RETURN, whose names are resolved here and now: a text would be read with the writer's search_path.
CREATE FUNCTION public.broken_run_rule(
  kind text, status text, attempt integer, fetched integer, created integer, updated integer, unchanged integer,
  rejected integer, rejections jsonb, error text, finished_at timestamptz
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN NOT (attempt > 0) THEN 'runs_attempt_positive'
  WHEN NOT (least(fetched, created, updated, unchanged, rejected) >= 0) THEN 'runs_counts_not_negative'
  WHEN NOT ((error IS NOT NULL) = (status = 'failed')) THEN 'runs_error_when_failed'
  WHEN NOT ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed'))) THEN 'runs_finished_when_over'
  WHEN NOT (kind ~ '^[a-z][a-z_]{0,62}$') THEN 'runs_kind_format'
  WHEN NOT (jsonb_typeof(rejections) = 'array') THEN 'runs_rejections_list'
  WHEN NOT (status IN ('queued', 'running', 'succeeded', 'failed')) THEN 'runs_status_known'
END;
COMMENT ON FUNCTION public.broken_run_rule(text, text, integer, integer, integer, integer, integer, integer, jsonb, text, timestamptz) IS
  'The first rule, by name, that a run breaks; NULL if it breaks none. A rule that has nothing to say of a NULL is kept.';

-- Nothing in it but full names: whatever else plpgsql reads, it reads with the writer's search_path.
CREATE FUNCTION public.runs_rules(
  kind text, status text, attempt integer, fetched integer, created integer, updated integer, unchanged integer,
  rejected integer, rejections jsonb, error text, finished_at timestamptz
) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
  broken CONSTANT pg_catalog.text := public.broken_run_rule(
    kind, status, attempt, fetched, created, updated, unchanged, rejected, rejections, error, finished_at);
BEGIN
  IF broken IS NULL THEN
    RETURN true;
  END IF;
  RAISE EXCEPTION 'new row for relation "runs" violates check constraint "%"', broken
    USING ERRCODE = 'check_violation', CONSTRAINT = broken, TABLE = 'runs', SCHEMA = 'public';
END
$$;
COMMENT ON FUNCTION public.runs_rules(text, text, integer, integer, integer, integer, integer, integer, jsonb, text, timestamptz) IS
  'The CHECK of runs: true, or the refusal that names the rule which a row breaks.';

-- In one statement, so that no row is ever without rules. NOT VALID: what is there was held against the same ones, and
-- nobody waits until it is read again.
ALTER TABLE public.runs
  ADD CONSTRAINT runs_rules CHECK (public.runs_rules(
    kind, status, attempt, fetched, created, updated, unchanged, rejected, rejections, error, finished_at)) NOT VALID,
  DROP CONSTRAINT runs_attempt_positive,
  DROP CONSTRAINT runs_counts_not_negative,
  DROP CONSTRAINT runs_error_when_failed,
  DROP CONSTRAINT runs_finished_when_over,
  DROP CONSTRAINT runs_kind_format,
  DROP CONSTRAINT runs_rejections_list,
  DROP CONSTRAINT runs_status_known;
