-- Up Migration

-- A task as it is told: its fields in their order, the times as texts. feed.render(tasks) makes JSON of it. A function that is
-- applied makes rows of it in every session: so it is never altered; another field is another type.
CREATE TYPE feed.task AS (
  id uuid,
  title text,
  description text,
  status text,
  priority text,
  due_at text,
  labels text[],
  source text,
  external_id text,
  created_at text,
  updated_at text,
  completed_at text,
  version bigint
);
COMMENT ON TYPE feed.task IS 'A task as the log and the API show it, its times as RFC 3339 writes them.';
