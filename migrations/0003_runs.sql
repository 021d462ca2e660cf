-- Up Migration

CREATE TABLE public.runs (
  id uuid NOT NULL,
  kind text NOT NULL,
  status text NOT NULL DEFAULT 'queued',
  attempt integer NOT NULL DEFAULT 1,
  fetched integer NOT NULL DEFAULT 0,
  created integer NOT NULL DEFAULT 0,
  updated integer NOT NULL DEFAULT 0,
  unchanged integer NOT NULL DEFAULT 0,
  rejected integer NOT NULL DEFAULT 0,
  rejections jsonb NOT NULL DEFAULT '[]',
  error text,
  queued_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz,
  CONSTRAINT runs_pkey PRIMARY KEY (id),
  CONSTRAINT runs_kind_format CHECK (kind ~ '^[a-z][a-z_]{0,62}$'),
  CONSTRAINT runs_status_known CHECK (status IN ('queued', 'running', 'succeeded', 'failed')),
  CONSTRAINT runs_attempt_positive CHECK (attempt > 0),
  CONSTRAINT runs_counts_not_negative CHECK (least(fetched, created, updated, unchanged, rejected) >= 0),
  CONSTRAINT runs_rejections_list CHECK (jsonb_typeof(rejections) = 'array'),
  CONSTRAINT runs_error_when_failed CHECK ((error IS NOT NULL) = (status = 'failed')),
  CONSTRAINT runs_finished_when_over CHECK ((finished_at IS NOT NULL) = (status IN ('succeeded', 'failed')))
);
COMMENT ON TABLE public.runs IS
  'Runs of the background jobs, one row each, kept. A change of status is an event of the topic runs. '
  '`rejections` names the items that broke a rule, the first hundred: [{"source", "external_id", "reason"}].';

-- One run of a kind at a time: asking again while one is queued or running finds that one.
CREATE UNIQUE INDEX runs_one_active_of_a_kind ON public.runs (kind) WHERE status IN ('queued', 'running');
CREATE INDEX runs_by_kind ON public.runs (kind, id);

CREATE TABLE public.imports (
  source text NOT NULL,
  external_id text NOT NULL,
  item jsonb NOT NULL,
  CONSTRAINT imports_pkey PRIMARY KEY (source, external_id),
  CONSTRAINT imports_item_object CHECK (jsonb_typeof(item) = 'object')
);
COMMENT ON TABLE public.imports IS
  'What the generator last read of each item of each source. It tells a field that the source changed from one '
  'that a person edited, and a task that a person deleted from one that was never there.';
