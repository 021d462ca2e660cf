-- Up Migration

-- The rules of a task, in one CHECK. PostgreSQL reads the text of each CHECK of a table anew for every statement, plans it and
-- inlines what it calls: for a single row that was the half of all that an INSERT costs. A plpgsql function keeps its plans for
-- as long as its session lasts. What is broken is told as before, under the rule's own name.

-- Written as RETURN, whose names are resolved here and now: a text would be read with the writer's search_path.
CREATE FUNCTION public.broken_task_rule(
  title text, description text, status text, priority text, due_at timestamptz, labels text[], source text,
  external_id text, created_at timestamptz, completed_at timestamptz, version bigint
) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
  WHEN NOT (completed_at >= '0001-01-01 00:00:00+00' AND completed_at < '10000-01-01 00:00:00+00') THEN 'tasks_completed_at_range'
  WHEN NOT ((completed_at IS NOT NULL) = (status = 'done')) THEN 'tasks_completed_at_when_done'
  WHEN NOT (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00') THEN 'tasks_created_at_range'
  WHEN NOT (char_length(description) <= 10000) THEN 'tasks_description_length'
  WHEN NOT (due_at >= '0001-01-01 00:00:00+00' AND due_at < '10000-01-01 00:00:00+00') THEN 'tasks_due_at_range'
  WHEN NOT (char_length(external_id) BETWEEN 1 AND 200) THEN 'tasks_external_id_length'
  WHEN NOT (external_id IS NULL OR source IS NOT NULL) THEN 'tasks_external_id_needs_source'
  WHEN NOT (cardinality(labels) <= 20) THEN 'tasks_labels_count'
  WHEN NOT (labels = '{}' OR public.count_distinct(labels) = cardinality(labels)) THEN 'tasks_labels_distinct'
  WHEN NOT (coalesce(array_ndims(labels), 1) = 1) THEN 'tasks_labels_flat'
  WHEN NOT (labels = '{}' OR public.lengths_within(labels, 1, 50)) THEN 'tasks_labels_length'
  WHEN NOT (priority IN ('low', 'normal', 'high', 'urgent')) THEN 'tasks_priority_known'
  WHEN NOT (char_length(source) BETWEEN 1 AND 100) THEN 'tasks_source_length'
  WHEN NOT (status IN ('todo', 'in_progress', 'done')) THEN 'tasks_status_known'
  WHEN NOT (char_length(title) BETWEEN 1 AND 200) THEN 'tasks_title_length'
  WHEN NOT (version > 0) THEN 'tasks_version_positive'
END;
COMMENT ON FUNCTION public.broken_task_rule(text, text, text, text, timestamptz, text[], text, text, timestamptz, timestamptz, bigint) IS
  'The first rule, by name, that a task breaks; NULL if it breaks none. A rule that has nothing to say of a NULL is kept.';

-- Nothing in it but full names: whatever else plpgsql reads, it reads with the writer's search_path.
CREATE FUNCTION public.tasks_rules(
  title text, description text, status text, priority text, due_at timestamptz, labels text[], source text,
  external_id text, created_at timestamptz, completed_at timestamptz, version bigint
) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
AS $$
DECLARE
  broken CONSTANT pg_catalog.text := public.broken_task_rule(
    title, description, status, priority, due_at, labels, source, external_id, created_at, completed_at, version);
BEGIN
  IF broken IS NULL THEN
    RETURN true;
  END IF;
  RAISE EXCEPTION 'new row for relation "tasks" violates check constraint "%"', broken
    USING ERRCODE = 'check_violation', CONSTRAINT = broken, TABLE = 'tasks', SCHEMA = 'public';
END
$$;
COMMENT ON FUNCTION public.tasks_rules(text, text, text, text, timestamptz, text[], text, text, timestamptz, timestamptz, bigint) IS
  'The CHECK of tasks: true, or the refusal that names the rule which a row breaks.';

-- In one statement, so that no row is ever without rules. NOT VALID: what is there was held against the same ones, and
-- no writer waits until it is read again.
ALTER TABLE public.tasks
  ADD CONSTRAINT tasks_rules CHECK (public.tasks_rules(
    title, description, status, priority, due_at, labels, source, external_id, created_at, completed_at, version)) NOT VALID,
  DROP CONSTRAINT tasks_completed_at_range,
  DROP CONSTRAINT tasks_completed_at_when_done,
  DROP CONSTRAINT tasks_created_at_range,
  DROP CONSTRAINT tasks_description_length,
  DROP CONSTRAINT tasks_due_at_range,
  DROP CONSTRAINT tasks_external_id_length,
  DROP CONSTRAINT tasks_external_id_needs_source,
  DROP CONSTRAINT tasks_labels_count,
  DROP CONSTRAINT tasks_labels_distinct,
  DROP CONSTRAINT tasks_labels_flat,
  DROP CONSTRAINT tasks_labels_length,
  DROP CONSTRAINT tasks_priority_known,
  DROP CONSTRAINT tasks_source_length,
  DROP CONSTRAINT tasks_status_known,
  DROP CONSTRAINT tasks_title_length,
  DROP CONSTRAINT tasks_version_positive;
