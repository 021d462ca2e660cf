-- Up Migration

-- What the CHECKs on tasks.labels need. Frozen with them: a CHECK is only as constant as what it calls. Written as
-- RETURN, whose names are resolved here and now: a text would be read with the writer's search_path, and a function
-- of the writer's own called unnest() would break the rule.

CREATE FUNCTION public.count_distinct(list text[]) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT count(DISTINCT item) FROM unnest(list) AS item);
COMMENT ON FUNCTION public.count_distinct(text[]) IS
  'How many different strings a list holds, NULLs not counted: equal to its cardinality if and only if no element '
  'is NULL or stands twice.';

CREATE FUNCTION public.lengths_within(list text[], shortest integer, longest integer) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT coalesce(bool_and(char_length(item) BETWEEN shortest AND longest), true) FROM unnest(list) AS item);
COMMENT ON FUNCTION public.lengths_within(text[], integer, integer) IS
  'Whether every string of a list has from shortest to longest code points.';

CREATE TABLE public.tasks (
  id uuid NOT NULL,
  title text NOT NULL,
  description text,
  status text NOT NULL DEFAULT 'todo',
  priority text NOT NULL DEFAULT 'normal',
  due_at timestamptz,
  labels text[] NOT NULL DEFAULT '{}',
  source text,
  external_id text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  completed_at timestamptz,
  version bigint NOT NULL,
  CONSTRAINT tasks_pkey PRIMARY KEY (id),
  CONSTRAINT tasks_source_external_id_key UNIQUE (source, external_id),
  CONSTRAINT tasks_title_length CHECK (char_length(title) BETWEEN 1 AND 200),
  CONSTRAINT tasks_description_length CHECK (char_length(description) <= 10000),
  CONSTRAINT tasks_status_known CHECK (status IN ('todo', 'in_progress', 'done')),
  CONSTRAINT tasks_priority_known CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
  CONSTRAINT tasks_due_at_range CHECK (due_at >= '0001-01-01 00:00:00+00' AND due_at < '10000-01-01 00:00:00+00'),
  CONSTRAINT tasks_labels_flat CHECK (coalesce(array_ndims(labels), 1) = 1),
  CONSTRAINT tasks_labels_count CHECK (cardinality(labels) <= 20),
  CONSTRAINT tasks_labels_distinct CHECK (labels = '{}' OR public.count_distinct(labels) = cardinality(labels)),
  CONSTRAINT tasks_labels_length CHECK (labels = '{}' OR public.lengths_within(labels, 1, 50)),
  CONSTRAINT tasks_source_length CHECK (char_length(source) BETWEEN 1 AND 100),
  CONSTRAINT tasks_external_id_length CHECK (char_length(external_id) BETWEEN 1 AND 200),
  CONSTRAINT tasks_external_id_needs_source CHECK (external_id IS NULL OR source IS NOT NULL),
  CONSTRAINT tasks_created_at_range CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
  CONSTRAINT tasks_completed_at_range CHECK (completed_at >= '0001-01-01 00:00:00+00' AND completed_at < '10000-01-01 00:00:00+00'),
  CONSTRAINT tasks_completed_at_when_done CHECK ((completed_at IS NOT NULL) = (status = 'done')),
  CONSTRAINT tasks_version_positive CHECK (version > 0)
);
COMMENT ON TABLE public.tasks IS
  'The TODO list. id (UUIDv7), created_at, updated_at, completed_at and version are made by the trigger '
  'tasks_before_write; every change becomes an event of the topic tasks.';

CREATE INDEX tasks_by_created_at ON public.tasks (created_at, id);
